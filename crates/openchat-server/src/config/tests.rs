use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "data")
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse("").unwrap(), Config::new("data"));
    Limits::default().check().unwrap();
}

#[test]
fn every_key_is_read() {
    let config = parse(
        "listen = \"127.0.0.1:9\"\ndata_dir = \"/srv/oc\"\naddress = \"chat.example.org:9\"\n\
         registration = \"closed\"\n[limits]\nidle_seconds = 60\n",
    )
    .unwrap();
    assert_eq!(config.listen.port(), 9);
    assert_eq!(config.data_dir, Path::new("/srv/oc"));
    assert_eq!(config.address, Some("chat.example.org:9".parse().unwrap()));
    assert_eq!(config.registration, RegistrationPolicy::Closed);
    assert_eq!(config.limits.idle(), Duration::from_secs(60));
    assert_eq!(config.limits.login_seconds, Limits::default().login_seconds);
}

#[test]
fn every_limit_can_be_set() {
    for (key, value, _) in Limits::default().ranges() {
        let config =
            parse(&format!("[limits]\n{key} = {value}")).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(config.limits, Limits::default(), "{key}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_what_was_meant() {
    let message = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(message("lisen = 1"), "there is no setting `lisen`: did you mean `listen`?");
    assert_eq!(
        message("[limits]\nidle_second = 1"),
        "there is no setting `limits.idle_second`: did you mean `idle_seconds`?"
    );
    assert_eq!(message("zzz = 1"), "there is no setting `zzz`");
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let message = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(
        message("[limits]\nidle_seconds = 1"),
        "`limits.idle_seconds` is 1: it must be from 10 to 86400"
    );
    assert!(message("address = \"chat.example.org\"").contains("HOST:PORT"));
    assert!(message("registration = \"maybe\"").contains("invite-only"));
    assert!(message("listen = 7").contains("line 1"));
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nowhere/server.toml"), "data").unwrap_err();
    assert!(error.to_string().starts_with("cannot read /nowhere/server.toml"));
}
