use super::*;
use proptest::prelude::*;

fn normal(path: &str) -> Result<String, BadPath> {
    let mut room = Vec::new();
    let found = normalise(path.as_bytes(), &mut room)?;
    Ok(found.map_or_else(|| path.to_owned(), |bytes| String::from_utf8(bytes.to_vec()).unwrap()))
}

#[test]
fn there_is_one_form() {
    for (path, form) in [
        ("/", "/"),
        ("*", "*"),
        ("/a/b?x=/../y%zz", "/a/b?x=/../y%zz"),
        ("/.well-known/acme", "/.well-known/acme"),
        ("/a/../admin", "/admin"),
        ("/%2e%2e/admin/%2E%2e/x", "!climb"),
        ("/a/%2e%2e/admin", "/admin"),
        ("/a/%2E/b", "/a/b"),
        ("//admin", "/admin"),
        ("/a//", "/a/"),
        ("/./admin", "/admin"),
        ("/a/.", "/a/"),
        ("/a/b/..", "/a/"),
        ("/a/..", "/"),
        ("/..", "!climb"),
        ("/a/../..", "!climb"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a%5Cb"),
        ("/%61%7e-", "/a~-"),
        ("/%252e%252e/", "/%252e%252e/"),
        ("/%c3%a9", "/%C3%A9"),
        ("/%e9t%e9", "/%E9t%E9"),
        ("/fetch/http://host/x", "/fetch/http://host/x"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/...", "/..."),
        ("/..a/b..", "/..a/b.."),
    ] {
        let found = normal(path);
        let wanted = if form == "!climb" { Err(BadPath::Climb) } else { Ok(form.to_owned()) };
        assert_eq!(found, wanted, "{path}");
    }
}

#[test]
fn attacks_are_refused() {
    for (path, error) in [
        ("/admin#x", BadPath::Fragment),
        ("/a?b#x", BadPath::Fragment),
        ("/a%2e#x", BadPath::Fragment),
        ("\\admin", BadPath::Start),
        ("/\\admin", BadPath::Byte),
        ("admin", BadPath::Start),
        ("/user/..;a=b/admin", BadPath::Climb),
        ("/user/.;/admin", BadPath::Climb),
        ("/user/..%3b/admin", BadPath::Climb),
        ("/user/%2e%2e%2fadmin", BadPath::Climb),
        ("/user/x%2f..%2fadmin", BadPath::Climb),
        ("/user/..%5cadmin", BadPath::Climb),
        ("/%00", BadPath::Byte),
        ("/a b", BadPath::Byte),
        ("/a?b c", BadPath::Byte),
        ("/a\u{7f}", BadPath::Byte),
        ("/é", BadPath::Byte),
        ("/%", BadPath::Byte),
        ("/%4", BadPath::Byte),
        ("/%4g", BadPath::Byte),
        ("/%c0%ae%c0%ae/", BadPath::Text),
        ("/%e0%80%ae", BadPath::Text),
        ("/%f0%80%80%ae", BadPath::Text),
    ] {
        assert_eq!(normal(path), Err(error), "{path}");
    }
}

proptest! {
    #[test]
    fn the_form_of_the_form_is_itself(path in "/(\\.|\\.\\.|/|%2[eEfF]|%5c|;|a|b|:|\\?){0,14}") {
        if let Ok(once) = normal(&path) {
            let end = once.find('?').unwrap_or(once.len());
            prop_assert_eq!(normal(&once), Ok(once.clone()));
            prop_assert!(!once[..end].contains("/../") && !once[..end].contains("/./") && once.starts_with('/'));
        }
    }

    #[test]
    fn random_bytes_never_panic(path in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut room = Vec::new();
        let _ = normalise(&[b"/".as_slice(), &path].concat(), &mut room);
    }
}
