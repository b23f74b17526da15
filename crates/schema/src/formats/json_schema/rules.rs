//! The rules by which a JSON Schema may not change, with the sentence that a person reads. Names are Confluent's; what each means
//! follows from the validation of data: whatever was valid must stay valid.

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name in answers.
    pub name: &'static str,
    /// What the schema of the reader has done; `%` is its role.
    pub sentence: &'static str,
    /// Passed over by the policy LENIENT.
    pub lenient: bool,
}

macro_rules! rules {
    ($($kind:ident $name:ident: $sentence:literal;)*) => {
        $(pub const $name: Rule = Rule { name: stringify!($name), sentence: $sentence, lenient: rules!($kind) };)*
    };
    (strict) => { false };
    (lenient) => { true };
}

rules! {
    strict SCHEMA_ADDED: "The % schema asks for something where the other one asked for nothing";
    strict TYPE_CHANGED: "The % schema has another type";
    strict TYPE_NARROWED: "The % schema takes integers where the other one took any number";
    strict COMBINED_TYPE_CHANGED: "The % schema combines its parts in another way";
    strict COMBINED_TYPE_SUBSCHEMAS_CHANGED: "The % schema combines parts that do not go with those of the other one";
    strict PRODUCT_TYPE_EXTENDED: "The % schema asks for more in its allOf";
    strict SUM_TYPE_NARROWED: "The % schema lacks a branch of its anyOf or oneOf";
    strict NOT_TYPE_EXTENDED: "The % schema excludes more by its not";
    strict ENUM_ARRAY_NARROWED: "The % schema lacks values of the enum";
    strict ENUM_ARRAY_CHANGED: "The % schema has other values in its enum or const";
    strict MAX_LENGTH_ADDED: "The % schema has a maxLength that the other one lacks";
    strict MAX_LENGTH_DECREASED: "The % schema has a smaller maxLength";
    strict MIN_LENGTH_ADDED: "The % schema has a minLength that the other one lacks";
    strict MIN_LENGTH_INCREASED: "The % schema has a larger minLength";
    strict PATTERN_ADDED: "The % schema has a pattern that the other one lacks";
    strict PATTERN_CHANGED: "The % schema has another pattern";
    strict MAXIMUM_ADDED: "The % schema has a maximum that the other one lacks";
    strict MAXIMUM_DECREASED: "The % schema has a smaller maximum";
    strict MINIMUM_ADDED: "The % schema has a minimum that the other one lacks";
    strict MINIMUM_INCREASED: "The % schema has a larger minimum";
    strict EXCLUSIVE_MAXIMUM_ADDED: "The % schema has an exclusiveMaximum that the other one lacks";
    strict EXCLUSIVE_MAXIMUM_DECREASED: "The % schema has a smaller exclusiveMaximum";
    strict EXCLUSIVE_MINIMUM_ADDED: "The % schema has an exclusiveMinimum that the other one lacks";
    strict EXCLUSIVE_MINIMUM_INCREASED: "The % schema has a larger exclusiveMinimum";
    strict MULTIPLE_OF_ADDED: "The % schema has a multipleOf that the other one lacks";
    strict MULTIPLE_OF_EXPANDED: "The % schema has a multipleOf that is a multiple of the other one's";
    strict MULTIPLE_OF_CHANGED: "The % schema has another multipleOf";
    strict REQUIRED_ATTRIBUTE_ADDED: "The % schema requires a property that the other one does not, and has no default for it";
    strict DEPENDENCY_ARRAY_ADDED: "The % schema has a dependency that the other one lacks";
    strict DEPENDENCY_ARRAY_EXTENDED: "The % schema asks for more by a dependency";
    strict DEPENDENCY_ARRAY_CHANGED: "The % schema asks for other properties by a dependency";
    strict DEPENDENCY_SCHEMA_ADDED: "The % schema has a schema of a dependency that the other one lacks";
    strict MAX_PROPERTIES_ADDED: "The % schema has a maxProperties that the other one lacks";
    strict MAX_PROPERTIES_DECREASED: "The % schema has a smaller maxProperties";
    strict MIN_PROPERTIES_ADDED: "The % schema has a minProperties that the other one lacks";
    strict MIN_PROPERTIES_INCREASED: "The % schema has a larger minProperties";
    lenient ADDITIONAL_PROPERTIES_REMOVED: "The % schema does not take additional properties";
    lenient ADDITIONAL_PROPERTIES_NARROWED: "The % schema asks for something of additional properties";
    lenient UNEVALUATED_PROPERTIES_REMOVED: "The % schema does not take unevaluated properties";
    lenient UNEVALUATED_PROPERTIES_NARROWED: "The % schema asks for something of unevaluated properties";
    strict REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL: "The % schema requires a property that the other one, whose content model is open, does not name";
    lenient REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL: "The % schema requires a property, with a default, that the other one, whose content model is open, does not name";
    lenient OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL: "The % schema names a property that the other one, whose content model is open, takes with any value";
    strict REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL: "The % schema requires a property that the other one does not name, and has no default for it";
    lenient PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL: "The % schema has a closed content model and does not name a property of the other one";
    lenient PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: "The % schema does not name a property of the other one, and its partially open content model does not cover it";
    lenient PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: "The % schema names a property that the partially open content model of the other one does not cover";
    strict MAX_ITEMS_ADDED: "The % schema has a maxItems that the other one lacks";
    strict MAX_ITEMS_DECREASED: "The % schema has a smaller maxItems";
    strict MIN_ITEMS_ADDED: "The % schema has a minItems that the other one lacks";
    strict MIN_ITEMS_INCREASED: "The % schema has a larger minItems";
    strict MAX_CONTAINS_ADDED: "The % schema has a maxContains that the other one lacks";
    strict MAX_CONTAINS_DECREASED: "The % schema has a smaller maxContains";
    strict MIN_CONTAINS_ADDED: "The % schema has a minContains that the other one lacks";
    strict MIN_CONTAINS_INCREASED: "The % schema has a larger minContains";
    strict UNIQUE_ITEMS_ADDED: "The % schema asks for unique items";
    strict ADDITIONAL_ITEMS_REMOVED: "The % schema does not take additional items";
    strict ADDITIONAL_ITEMS_NARROWED: "The % schema asks for something of additional items";
    strict UNEVALUATED_ITEMS_REMOVED: "The % schema does not take unevaluated items";
    strict UNEVALUATED_ITEMS_NARROWED: "The % schema asks for something of unevaluated items";
    strict ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL: "The % schema has a closed content model and lacks an item of the other one";
    strict ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: "The % schema lacks an item of the other one, and its partially open content model does not cover it";
    strict ITEM_ADDED_TO_OPEN_CONTENT_MODEL: "The % schema asks for something of an item that the other one, whose content model is open, takes with any value";
    strict ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: "The % schema has an item that the partially open content model of the other one does not cover";
    strict TOO_MANY_COMPARISONS: "The % schema and the other one have too many parts to be compared";
}
