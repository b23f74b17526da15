use super::*;

/// Lines of a file with `@D@` for a directory that holds `key.properties` and `secret`; what `num` then is.
fn read(lines: &str) -> Result<String, String> {
    let directory = scratch();
    let text = lines.replace("@D@", &directory.to_string_lossy()).replace("@P@", PACKAGE);
    let mut properties = Properties::parse(text.as_bytes()).unwrap();
    let variable = |name: &str| match name {
        "FIVE" => Some("5".to_owned()),
        "AGAIN" => Some("${env:FIVE}".to_owned()),
        _ => None,
    };
    properties = resolve(properties, variable)?;
    Ok(properties.get("num").unwrap_or_default().to_owned())
}

/// The same files for all tests, written once.
fn scratch() -> PathBuf {
    static ONCE: std::sync::Once = std::sync::Once::new();
    let directory = std::env::temp_dir().join(format!("ottla-providers-{}", std::process::id()));
    ONCE.call_once(|| {
        std::fs::create_dir_all(directory.join("below")).unwrap();
        std::fs::write(directory.join("key.properties"), "a\\u0041=7\nname: h\u{e9}\u{1f600}\n").unwrap();
        std::fs::write(directory.join("secret"), "s\n").unwrap();
        std::fs::write(directory.join("below/secret"), "t").unwrap();
        std::fs::write(directory.join("latin"), b"\xe9").unwrap();
    });
    directory
}

const ENV: &str = "config.providers=env\nconfig.providers.env.class=@P@EnvVarConfigProvider\n";
const FILE: &str = "config.providers=f\nconfig.providers.f.class=@P@FileConfigProvider\n";
const DIR: &str = "config.providers=d\nconfig.providers.d.class=@P@DirectoryConfigProvider\n";

/// Every line is what Kafka 4.4 made of the same configuration.
#[test]
fn references_are_what_kafka_makes_of_them() {
    let cases = [
        (ENV, "num=${env:FIVE}", "5"),
        (ENV, "num=1${env:FIVE}-${env:FIVE}${env:NONE}", "15-5${env:NONE}"),
        (ENV, "num=${env:AGAIN}", "${env:FIVE}"),
        (ENV, "num=${env: FIVE}", "${env: FIVE}"),
        (ENV, "num=${other:FIVE}${env:}${:x}${env:FIVE", "${other:FIVE}${env:}${:x}${env:FIVE"),
        (ENV, "num=${no}${env:FIVE}", "${no}5"),
        ("", "num=${env:FIVE}", "${env:FIVE}"),
        ("config.providers=env\n", "num=${env:FIVE}", "${env:FIVE}"),
        (ENV, "config.providers=x, env\nnum=${env:FIVE}", "${env:FIVE}"),
        (ENV, "config.providers=env,env\nnum=${env:FIVE}", "5"),
        (ENV, "config.providers.env.param.allowlist.pattern=FI.*\nnum=${env:FIVE}", "5"),
        (ENV, "config.providers.env.param.allowlist.pattern=FI\nnum=${env:FIVE}", "${env:FIVE}"),
        (ENV, "config.providers.env.param.allowlist.pattern=X|F.VE\nnum=${env:FIVE}", "5"),
        (FILE, "num=${f:@D@/key.properties:aA}", "7"),
        (FILE, "num=${f:@D@/key.properties:name}", "h\u{e9}\u{1f600}"),
        (FILE, "num=${f:@D@/key.properties:none}${f:x}", "${f:@D@/key.properties:none}${f:x}"),
        (FILE, "config.providers.f.param.allowed.paths=@D@\nnum=${f:@D@/key.properties:aA}", "7"),
        (
            FILE,
            "config.providers.f.param.allowed.paths=@D@/below\nnum=${f:@D@/below/../key.properties:aA}",
            "${f:@D@/below/../key.properties:aA}",
        ),
        (DIR, "num=${d:@D@:secret}", "s\n"),
        (DIR, "num=${d:@D@/below:secret}", "t"),
        (DIR, "num=${d:@D@:below/secret}${d:@D@:no}${d:/no:x}", "${d:@D@:below/secret}${d:@D@:no}${d:/no:x}"),
        (DIR, "num=${d:@D@/below:..}${d:@D@:below}", "${d:@D@/below:..}${d:@D@:below}"),
    ];
    for (head, line, expected) in cases {
        let expected = expected.replace("@D@", &scratch().to_string_lossy());
        assert_eq!(read(&format!("{head}{line}")), Ok(expected), "{line}");
    }
}

#[test]
fn what_cannot_be_resolved_refuses() {
    let cases = [
        (ENV, "num=${env:x:FIVE}", "Path is not supported for EnvVarConfigProvider, invalid value 'x'"),
        (
            ENV,
            "config.providers.env.class=com.example.P",
            "Invalid value com.example.P for configuration config",
        ),
        (ENV, "config.providers.env.class= x", "Could not load config provider class"),
        (ENV, "config.providers.env.param.allowlist.pattern=[A-Z]+", "is more than names"),
        (FILE, "num=${f:@D@/none:x}", "Could not read properties from file"),
        (FILE, "num=${f:@D@:x}", "Could not read properties from file"),
        (FILE, "num=${f:@D@/latin:x}", "utf-8"),
        (FILE, "config.providers.f.param.allowed.paths=tmp/x", "Path tmp/x is not absolute"),
        (FILE, "config.providers.f.param.allowed.paths=@D@/no", "/no does not exist"),
        (DIR, "num=${d:@D@:latin}", "utf-8"),
    ];
    for (head, line, fragment) in cases {
        let refused = read(&format!("{head}{line}")).unwrap_err();
        assert!(refused.contains(fragment), "{line}: {refused}");
    }
}
