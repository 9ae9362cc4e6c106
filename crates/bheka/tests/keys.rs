//! Which kind of key a node gets, and how it gets another.

#[path = "support/place.rs"]
mod place;

use place::Place;

#[test]
fn the_kind_of_key_is_chosen() {
    let setup = |arguments: &[&str]| {
        let place = Place::new();
        let common = ["node", "setup", "--cn", "n1", "--endpoint", "m1", "--zone"];
        let answer = place.bheka(&[&common[..], arguments].concat());
        assert_eq!(answer.code, 0, "{}", answer.out);
        place.read("data/certs/n1.key").contains("BEGIN RSA")
    };
    assert!(!setup(&["dc1"]), "a satellite");
    assert!(setup(&["dc1", "--key-type", "rsa4096"]));
    assert!(!setup(&["n1", "--key-type", "p256"]), "an agent");
    let place = Place::new();
    let key = place.at("k.key").display().to_string();
    let command = ["pki", "new-cert", "--cn", "a", "--key", &key];
    let answer = place.bheka(&[&command[..], &["--key-type", "dsa"]].concat());
    assert_eq!(answer.code, 1);
    assert!(
        answer
            .out
            .contains("unknown kind of key 'dsa', use 'rsa4096' or 'p256'"),
        "{}",
        answer.out
    );
    assert!(!place.at("k.key").exists());
}

#[test]
fn a_key_is_changed_where_the_ca_is() {
    let place = Place::new();
    let setup = |cn: &str| {
        let command = ["node", "setup", "--master", "--key-type", "rsa4096", "--cn"];
        place.bheka(&[&command[..], &[cn]].concat())
    };
    let none = place.bheka(&["pki", "rekey", "--cn", "m1"]);
    assert_eq!(none.code, 1);
    assert!(
        none.out.contains("node 'm1' has no certificate yet"),
        "{}",
        none.out
    );
    assert_eq!(setup("m1").code, 0);
    let (key, certificate) = (
        place.read("data/certs/m1.key"),
        place.read("data/certs/m1.crt"),
    );
    // The name comes from the configuration.
    assert_eq!(place.bheka(&["daemon", "-C"]).code, 0);
    let answer = place.bheka(&["pki", "rekey"]);
    assert_eq!(answer.code, 0, "{}", answer.out);
    assert!(
        answer.out.contains("No daemon is running"),
        "{}",
        answer.out
    );
    assert_eq!(place.read("data/certs/m1.key.bak"), key);
    assert_eq!(place.read("data/certs/m1.crt.bak"), certificate);
    assert_eq!(place.mode("data/certs/m1.key"), 0o600);
    assert_eq!(place.mode("data/certs/m1.key.bak"), 0o600);
    let new = place.read("data/certs/m1.key");
    assert!(new.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(!place.at("data/certs/m1.key.new").exists());
    assert!(!place.at("data/certs/m1.crt.new").exists());
    assert_eq!(place.bheka(&["daemon", "-C"]).code, 0);
    // A second time there is nothing to do.
    let again = place.bheka(&["pki", "rekey"]);
    assert_eq!(again.code, 0, "{}", again.out);
    assert!(again.out.contains("of the kind 'p256' already"));
    assert_eq!(place.read("data/certs/m1.key"), new);
    // A CA that is not the one that peers trust signs nothing.
    std::fs::remove_dir_all(place.at("data/ca")).unwrap();
    assert_eq!(place.bheka(&["pki", "new-ca"]).code, 0);
    let refused = place.bheka(&["pki", "rekey", "--key-type", "rsa4096"]);
    assert_eq!(refused.code, 1);
    assert!(refused.out.contains("is not the one in"), "{}", refused.out);
    assert_eq!(place.read("data/certs/m1.key"), new);
    assert!(!place.at("data/certs/m1.key.new").exists());
}
