use super::*;
use crate::head::{Edit, Field, Fields, Form, Request, SENSITIVE, Scratch, Version};
use crate::names::Name;
use proptest::prelude::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What a block says, pseudo-fields with their names.
fn listed(scratch: &Scratch) -> Vec<(String, String)> {
    let names = [":authority", ":method", ":path", ":scheme", ":status", ":protocol", ":?"];
    let fields = Fields { base: &scratch.bytes, slots: &scratch.slots, seen: scratch.seen };
    let texts = scratch.slots.iter().map(|slot| names.get(usize::from(slot.id).wrapping_sub(128)));
    fields
        .iter()
        .zip(texts)
        .map(|(field, pseudo)| {
            let name =
                pseudo.map_or_else(|| String::from_utf8_lossy(field.name).into_owned(), |name| (*name).to_owned());
            (name, String::from_utf8_lossy(field.value).into_owned())
        })
        .collect()
}

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let mut scratch = Scratch::new();
    decoder.decode(block, 1 << 20, &mut scratch)?;
    Ok(listed(&scratch))
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

type Vector = (&'static str, Vec<(&'static str, &'static str)>);

fn play(vectors: &[Vector], max: usize) {
    let mut decoder = Decoder::new();
    decoder.resize_for_test(max);
    for (i, (block, list)) in vectors.iter().enumerate() {
        assert_eq!(decoded(&mut decoder, &hex(block)).unwrap(), pairs(list), "{i}");
    }
}

const REQUEST: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];

fn request_lists() -> [Vec<(&'static str, &'static str)>; 3] {
    let mut second = REQUEST.to_vec();
    second.push(("cache-control", "no-cache"));
    let third = vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ];
    [REQUEST.to_vec(), second, third]
}

fn response_lists() -> [Vec<(&'static str, &'static str)>; 3] {
    let date = "Mon, 21 Oct 2013 20:13:21 GMT";
    let rest = [("cache-control", "private"), ("date", date), ("location", "https://www.example.com")];
    let first = [&[(":status", "302")], rest.as_slice()].concat();
    let second = [&[(":status", "307")], rest.as_slice()].concat();
    let third = vec![
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ];
    [first, second, third]
}

#[test]
fn rfc_7541_c2_single_fields() {
    for (block, name, value) in [
        ("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key", "custom-header"),
        ("040c 2f73 616d 706c 652f 7061 7468", ":path", "/sample/path"),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password", "secret"),
        ("82", ":method", "GET"),
    ] {
        assert_eq!(decoded(&mut Decoder::new(), &hex(block)).unwrap(), pairs(&[(name, value)]));
    }
}

#[test]
fn rfc_7541_c3_c4_requests() {
    let [a, b, c] = request_lists();
    play(
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", a.clone()),
            ("8286 84be 5808 6e6f 2d63 6163 6865", b.clone()),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", c.clone()),
        ],
        4096,
    );
    play(
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", a),
            ("8286 84be 5886 a8eb 1064 9cbf", b),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", c),
        ],
        4096,
    );
}

#[test]
fn rfc_7541_c5_c6_responses_with_eviction() {
    let [a, b, c] = response_lists();
    play(
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e
                 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                a.clone(),
            ),
            ("4803 3330 37c1 c0bf", b.clone()),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153
                 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
                 3d31",
                c.clone(),
            ),
        ],
        256,
    );
    play(
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8
                 e9ae 82ae 43d3",
                a,
            ),
            ("4883 640e ffc1 c0bf", b),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b
                 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                c,
            ),
        ],
        256,
    );
}

#[test]
fn broken_blocks_are_errors() {
    for (id, block) in [
        ("index 0", "80"),
        ("index beyond", "be"),
        ("name beyond", "7e 01 61"),
        ("integer too long", "ff ff ff ff ff ff 01"),
        ("integer cut", "ff 80"),
        ("string cut", "40 05 61"),
        ("no value", "41"),
        ("size update too large", "3f e2 1f"),
        ("size update late", "82 20"),
        ("padding of zeroes", "41 81 00"),
        ("padding too long", "41 82 07 ff"),
        ("end mark", "41 84 ff ff ff fc"),
        ("only padding", "41 81 ff"),
    ] {
        assert_eq!(decoded(&mut Decoder::new(), &hex(block)), Err(Error), "{id}");
    }
}

#[test]
fn a_size_update_first_is_fine() {
    let mut decoder = Decoder::new();
    assert_eq!(decoded(&mut decoder, &hex("20 3f e1 1f 82")).unwrap(), pairs(&[(":method", "GET")]));
    decoded(&mut decoder, &hex("40 01 61 01 62")).unwrap();
    assert_eq!(decoded(&mut decoder, &hex("be")).unwrap(), pairs(&[("a", "b")]));
    assert_eq!(decoded(&mut decoder, &hex("20 be")), Err(Error), "emptied");
}

#[test]
fn bad_fields_are_flagged_also_from_the_table() {
    for (id, name, value) in [
        ("upper case", "Accept", "x"),
        ("blank", "a b", "x"),
        ("empty", "", "x"),
        ("unknown pseudo", ":x", "x"),
        ("cr", "a", "x\rb"),
        ("lf", "accept", "x\nb"),
        ("nul", "a", "\0"),
        ("blank first", "a", " x"),
        ("blank last", "a", "x\t"),
    ] {
        let mut block = vec![0x40, name.len() as u8];
        block.extend_from_slice(name.as_bytes());
        block.push(value.len() as u8);
        block.extend_from_slice(value.as_bytes());
        block.push(0xbe);
        let mut scratch = Scratch::new();
        Decoder::new().decode(&block, 1000, &mut scratch).unwrap();
        assert!(scratch.slots.iter().all(|slot| slot.flags & BAD != 0) && scratch.slots.len() == 2, "{id}");
    }
    let mut scratch = Scratch::new();
    // The value alone was bad: the name may be used again.
    Decoder::new().decode(b"\x40\x01a\x01\0\x7e\x01b", 1000, &mut scratch).unwrap();
    assert_eq!(scratch.slots[1].flags & BAD, 0);
}

#[test]
fn case_35_a_bomb_is_decoded_without_being_kept() {
    let mut decoder = Decoder::new();
    let mut block = vec![0x40, 1, b'a', 0x7f, 0x81, 0x1e];
    block.extend_from_slice(&[b'x'; 4000]);
    block.extend_from_slice(&[0xbe; 16_000]);
    let mut scratch = Scratch::new();
    let listed = decoder.decode(&block, 64 << 10, &mut scratch).unwrap();
    assert!(listed.over && scratch.bytes.len() <= 64 << 10);
}

#[test]
fn secrets_are_never_indexed() {
    let mut encoder = Encoder::new();
    let add = [Field::known(Name::Authorization, b"Basic x")];
    for _ in 0..2 {
        let (mut out, mut scratch) = (Vec::new(), Scratch::new());
        encoder.trailers(&mut out, &Fields::EMPTY, &Edit { add: &add, ..Edit::NONE });
        assert_eq!(out[0] & 0xf0, 0x10);
        Decoder::new().decode(&out, 1000, &mut scratch).unwrap();
        assert_eq!(scratch.slots[0].flags, SENSITIVE);
    }
}

fn head<'a>(authority: &'a str, path: &'a str) -> Request<'a> {
    let (method, scheme) = (b"GET".as_slice(), b"".as_slice());
    Request {
        method,
        scheme,
        authority: authority.as_bytes(),
        path: path.as_bytes(),
        version: Version::Http11,
        form: Form::Origin,
        fields: Fields::EMPTY,
    }
}

#[test]
fn what_repeats_becomes_a_byte() {
    let mut encoder = Encoder::new();
    let add = [Field::known(Name::UserAgent, b"agent"), Field::known(Name::L5dClientId, b"a.b.c")];
    let edit = Edit { add: &add, ..Edit::NONE };
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let mut out = Vec::new();
        encoder.request(&mut out, &head("web.local", "/x"), &edit);
        sizes.push(out.len());
    }
    assert!(sizes[0] > 40);
    assert_eq!(sizes[1..], [6, 6]);
}

#[test]
fn what_never_repeats_stays_out_of_the_table() {
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    for i in 0..50 {
        out.clear();
        encoder.request(&mut out, &head("web.local", &format!("/{i:03}")), &Edit::NONE);
    }
    // Method, scheme, literal path without indexing, indexed authority.
    assert_eq!(out, b"\x82\x86\x04\x04/049\xc0");
}

#[test]
fn a_smaller_table_is_announced() {
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    encoder.request(&mut out, &head("web.local", "/"), &Edit::NONE);
    encoder.resize(0);
    encoder.resize(100_000);
    out.clear();
    encoder.request(&mut out, &head("web.local", "/"), &Edit::NONE);
    assert!(out.starts_with(b"\x20\x3f\xe1\x1f\x82\x86\x84\x41"), "{out:x?}");
    encoder.resize(4096);
    out.clear();
    encoder.request(&mut out, &head("web.local", "/"), &Edit::NONE);
    assert_eq!(out, b"\x82\x86\x84\xbe");
}

/// The end mark is no symbol, whatever stands before and behind it (found by the fuzzer: thirty ones at the top of a full window).
#[test]
fn the_end_mark_is_refused_wherever_it_stands() {
    for before in 0..9 {
        let coded = [vec![0x1f; before], vec![0xff; 12]].concat();
        assert!(huffman::decode(&coded, &mut Vec::new()).is_err(), "{before}");
    }
}

proptest! {
    #[test]
    fn huffman_is_its_own_inverse(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut coded, mut back) = (Vec::new(), Vec::new());
        huffman::encode(&text, &mut coded);
        prop_assert_eq!(huffman::decode(&coded, &mut back), Ok(()));
        prop_assert_eq!(back, text);
    }

    #[test]
    fn random_text_decodes_to_what_encodes_to_it(coded in proptest::collection::vec(any::<u8>(), 0..60)) {
        let (mut text, mut back) = (Vec::new(), Vec::new());
        if huffman::decode(&coded, &mut text).is_ok() {
            huffman::encode(&text, &mut back);
            prop_assert_eq!(back, coded);
        }
    }

    #[test]
    fn encoder_and_decoder_agree(
        heads in proptest::collection::vec(("[a-c]{1,2}", "/[a-d]{0,2}", proptest::collection::vec((0usize..57, "[a-z]{0,40}"), 0..12)), 1..40),
        sizes in proptest::collection::vec(0u32..600, 0..40),
    ) {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        for (i, (authority, path, fields)) in heads.iter().enumerate() {
            if let Some(size) = sizes.get(i) {
                encoder.resize(*size);
            }
            let add: Vec<_> = fields.iter().map(|(id, value)| Field::known(crate::names::ALL[*id], value.as_bytes())).collect();
            let mut out = Vec::new();
            encoder.request(&mut out, &head(authority, path), &Edit { add: &add, ..Edit::NONE });
            let mut wanted = pairs(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", authority)]);
            wanted.extend(fields.iter().map(|(id, value)| (crate::names::ALL[*id].text().to_owned(), value.clone())));
            prop_assert_eq!(decoded(&mut decoder, &out), Ok(wanted));
        }
    }

    #[test]
    fn random_blocks_never_panic(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..8)) {
        let mut decoder = Decoder::new();
        let mut scratch = Scratch::new();
        for block in blocks {
            if decoder.decode(&block, 500, &mut scratch).is_err() {
                break;
            }
            prop_assert!(scratch.bytes.len() <= 500);
            listed(&scratch);
        }
    }
}
