//! The argument of MAIL and RCPT (RFC 5321 §4.1.2).

/// A path and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) address: String,
    pub(super) parameters: Vec<String>,
}

impl Path {
    /// Reads `FROM:<a@b> SIZE=1`. A blank after the colon is accepted, as Gmail does.
    pub(super) fn parse(text: &str, keyword: &str) -> Option<Self> {
        let head = text.get(..keyword.len())?;
        if !head.eq_ignore_ascii_case(keyword) {
            return None;
        }
        let rest = text[keyword.len()..].trim_start().strip_prefix('<')?;
        let (address, rest) = rest.split_once('>')?;
        let is_plain = !address.contains(|letter: char| letter.is_control() || letter == ' ');
        let is_parted = rest.is_empty() || rest.starts_with(' ');
        (is_plain && is_parted).then(|| Self {
            address: address.to_owned(),
            parameters: rest.split_ascii_whitespace().map(str::to_owned).collect(),
        })
    }

    /// The size that the client declares, in bytes.
    pub(super) fn size(&self) -> Option<usize> {
        self.parameters.iter().find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("SIZE")
                .then(|| value.parse().ok())?
        })
    }

    /// True if every parameter belongs to an extension that is advertised.
    pub(super) fn is_understood(&self) -> bool {
        self.parameters.iter().all(|parameter| {
            let name = parameter.split('=').next().unwrap_or(parameter);
            let known = ["SIZE", "BODY", "AUTH", "SMTPUTF8"];
            known.iter().any(|known| known.eq_ignore_ascii_case(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_with_and_without_a_blank() {
        for text in [
            "FROM:<a@b> SIZE=12 BODY=8BITMIME",
            "from: <a@b>  SIZE=12 BODY=8BITMIME",
        ] {
            let path = Path::parse(text, "FROM:").unwrap();
            assert_eq!((path.address.as_str(), path.size()), ("a@b", Some(12)));
            assert!(path.is_understood());
        }
        assert_eq!(Path::parse("FROM:<>", "FROM:").unwrap().address, "");
        assert!(
            !Path::parse("FROM:<> RET=FULL", "FROM:")
                .unwrap()
                .is_understood()
        );
        for wrong in [
            "FROM:a@b",
            "FROM:<a@b",
            "FROM:<a b>",
            "TO:<a@b>",
            "FROM:<a>x",
        ] {
            assert_eq!(Path::parse(wrong, "FROM:"), None, "{wrong}");
        }
    }
}
