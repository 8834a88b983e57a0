//! `multipart/form-data` (RFC 7578), as far as a stand-in needs it: the names and texts of its parts, never a file's content.

use super::fields::{Fields, Origin};

/// Longest head of one part, in bytes: name, file name and content type.
const MOST_HEAD: usize = 4096;

/// Adds the parts of a body to `fields`; of a file only its file name.
pub(super) fn read(content_type: &str, body: &[u8], fields: &mut Fields, remarks: &mut Vec<String>) {
    let Some(boundary) = parameter(content_type, "boundary").filter(|boundary| (1..=70).contains(&boundary.len())) else {
        remarks.push("the body is a multipart form without a boundary".to_owned());
        return;
    };
    let delimiter = format!("--{boundary}");
    let parts = split(body, delimiter.as_bytes());
    if parts.len() < 2 {
        remarks.push("the body is no multipart form of the boundary that its content type names".to_owned());
    }
    for part in parts.iter().skip(1).take_while(|part| !part.starts_with(b"--")) {
        if let Some((name, value)) = field(part) {
            fields.push(&name, &value, Origin::Form);
        }
    }
}

/// Name and text of one part.
fn field(part: &[u8]) -> Option<(String, String)> {
    let part = part.strip_prefix(b"\r\n")?;
    let end = part.windows(4).take(MOST_HEAD).position(|four| four == b"\r\n\r\n")?;
    let (head, content) = part.split_at_checked(end)?;
    let head = String::from_utf8_lossy(head);
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let content = content.get(4..)?;
    let content = content.strip_suffix(b"\r\n").unwrap_or(content);
    let value = parameter(disposition, "filename").unwrap_or_else(|| String::from_utf8_lossy(content).into_owned());
    Some((parameter(disposition, "name")?, value))
}

/// A parameter of a header value, quoted or not.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn split<'a>(body: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = body;
    while let Some(at) = find(rest, delimiter).filter(|_| parts.len() <= Fields::MOST) {
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after.get(delimiter.len()..).unwrap_or_default();
    }
    parts.push(rest);
    parts
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY: &str = "--xx\r\nContent-Disposition: form-data; name=\"keyword\"\r\n\r\nGC-1001\r\n--xx\r\n\
        Content-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\u{1}\r\n--xx--\r\n";

    #[test]
    fn parts_are_fields_and_a_file_is_its_name() {
        let (mut fields, mut remarks) = (Fields::default(), Vec::new());

        read("multipart/form-data; boundary=\"xx\"", BODY.as_bytes(), &mut fields, &mut remarks);

        assert_eq!((fields.get("keyword"), fields.get("photo"), fields.len()), (Some("GC-1001"), Some("a.png"), 2));
        assert!(remarks.is_empty());
    }

    #[test]
    fn a_form_without_its_boundary_is_a_remark() {
        for content_type in ["multipart/form-data", "multipart/form-data; boundary=other"] {
            let (mut fields, mut remarks) = (Fields::default(), Vec::new());
            read(content_type, BODY.as_bytes(), &mut fields, &mut remarks);
            assert_eq!((fields.len(), remarks.len()), (0, 1), "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn z21_any_multipart_body_is_read(cut in 0..BODY.len(), noise in any::<Vec<u8>>()) {
            let (mut fields, mut remarks) = (Fields::default(), Vec::new());
            let body = [BODY.as_bytes().get(..cut).unwrap_or_default(), &noise].concat();
            read("multipart/form-data; boundary=xx", &body, &mut fields, &mut remarks);
            prop_assert!(fields.len() <= 2 + noise.len());
        }
    }
}
