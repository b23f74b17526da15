//! The form of a file in which order that means nothing is evened out: fields by number, imports and options by name, types by their
//! full names with a point in front.

use super::model::{Field, FieldKind, File, Label, Message, Opt, Reserved, Syntax, Type, is_scalar};
use super::resolve::{Types, collect, join, resolve};

/// The normal form.
pub fn normalized(file: &File, references: &[(String, File)]) -> File {
    let types = collect(file, references);
    let mut normal = file.clone();
    if normal.syntax == Syntax::Proto2 {
        normal.syntax = Syntax::Unsaid;
    }
    normal.imports.sort_by(|one, other| one.file.cmp(&other.file));
    normal.imports.dedup();
    sort_options(&mut normal.options);
    let scope = file.package.as_deref().unwrap_or("");
    normal_types(&types, scope, &mut normal.types);
    for extend in &mut normal.extends {
        extend.fields.iter_mut().for_each(|field| normal_field(&types, scope, field));
        extend.fields.sort_by_key(|field| field.tag);
    }
    for service in &mut normal.services {
        sort_options(&mut service.options);
        for method in &mut service.methods {
            sort_options(&mut method.options);
            full(&types, scope, &mut method.request);
            full(&types, scope, &mut method.response);
        }
    }
    normal
}

fn normal_types(types: &Types, scope: &str, all: &mut [Type]) {
    for one in all {
        match one {
            Type::Message(message) => {
                let scope = join(scope, &message.name);
                normal_message(types, &scope, message);
            }
            Type::Enum(one) => {
                sort_options(&mut one.options);
                one.reserved = sorted(&one.reserved);
                one.values.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
                one.values.iter_mut().for_each(|value| sort_options(&mut value.options));
            }
        }
    }
}

fn normal_message(types: &Types, scope: &str, message: &mut Message) {
    sort_options(&mut message.options);
    message.reserved = sorted(&message.reserved);
    message.fields.iter_mut().for_each(|field| normal_field(types, scope, field));
    message.fields.sort_by_key(|field| field.tag);
    for oneof in &mut message.oneofs {
        sort_options(&mut oneof.options);
        oneof.fields.iter_mut().for_each(|field| normal_field(types, scope, field));
        oneof.fields.sort_by_key(|field| field.tag);
    }
    message.oneofs.sort_by_key(|oneof| oneof.fields.first().map(|field| field.tag));
    message.groups.sort_by_key(|group| group.tag);
    normal_types(types, scope, &mut message.types);
}

fn normal_field(types: &Types, scope: &str, field: &mut Field) {
    sort_options(&mut field.options);
    match &mut field.kind {
        FieldKind::Named(name) => full(types, scope, name),
        FieldKind::Map(_, value) => {
            full(types, scope, value);
            // A map that came by a descriptor.
            field.label = field.label.filter(|label| *label != Label::Repeated);
        }
    }
}

fn full(types: &Types, scope: &str, name: &mut String) {
    if !is_scalar(name)
        && let Some(found) = resolve(types, scope, name)
    {
        *name = format!(".{found}");
    }
}

fn sort_options(options: &mut [Opt]) {
    options.sort_by(|one, other| one.name.cmp(&other.name));
}

/// One value on each line, numbers first.
fn sorted(reserved: &[Vec<Reserved>]) -> Vec<Vec<Reserved>> {
    let mut all: Vec<Reserved> = reserved.iter().flatten().cloned().collect();
    all.sort_by_key(|one| match one {
        Reserved::Number(number) | Reserved::Range(number, _) => (*number, String::new()),
        Reserved::Name(name) => (i32::MAX, name.clone()),
    });
    all.into_iter().map(|one| vec![one]).collect()
}
