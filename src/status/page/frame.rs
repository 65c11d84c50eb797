//! What every page has around it, and the files that go with them.

use std::sync::LazyLock;

use askama::Template;
use sha2::{Digest, Sha256};

/// A file that is saved, or one that pages refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::status) struct Asset {
    /// Its name. That of one that pages refer to changes with its contents, so that a browser may keep
    /// it for good.
    pub(in crate::status) name: String,
    /// Its MIME type.
    pub(in crate::status) media_type: &'static str,
    /// The file.
    pub(in crate::status) contents: Vec<u8>,
}

/// A file of this program that pages refer to.
struct Part {
    name: String,
    media_type: &'static str,
    contents: &'static str,
}

static STYLE: LazyLock<Part> = LazyLock::new(|| {
    Part::of("style", "css", "text/css; charset=utf-8", include_str!("style.css"))
});
static SCRIPT: LazyLock<Part> = LazyLock::new(|| {
    Part::of("script", "js", "text/javascript; charset=utf-8", include_str!("script.js"))
});
static ICON: LazyLock<Part> =
    LazyLock::new(|| Part::of("icon", "svg", "image/svg+xml", include_str!("icon.svg")));

/// The file under `/assets/`, if it is there in this version.
pub(in crate::status) fn asset(name: &str) -> Option<Asset> {
    let part = [&*STYLE, &*SCRIPT, &*ICON].into_iter().find(|part| part.name == name)?;
    Some(Asset {
        name: part.name.clone(),
        media_type: part.media_type,
        contents: part.contents.as_bytes().to_owned(),
    })
}

/// As much of the digest, in bytes, as tells one version from another.
const DIGEST: usize = 8;

impl Part {
    fn of(name: &str, ending: &str, media_type: &'static str, contents: &'static str) -> Self {
        let digest = Sha256::digest(contents.as_bytes());
        let digest: String = digest.iter().take(DIGEST).map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("{name}-{digest}.{ending}"), media_type, contents }
    }
}

/// What the frame refers to, by the names under `/assets/`.
pub(super) struct Frame {
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
}

impl Default for Frame {
    fn default() -> Self {
        Self { style: &STYLE.name, script: &SCRIPT.name, icon: &ICON.name }
    }
}

/// A template fails only where its parts do, and these are strings and numbers.
pub(super) fn render(page: &impl Template) -> String {
    page.render().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_refers_to_is_served_and_nothing_else() {
        let frame = Frame::default();
        for name in [frame.style, frame.script, frame.icon] {
            assert_eq!(asset(name).unwrap().name, name);
        }
        assert!(asset("style-0000000000000000.css").is_none());
        assert!(asset("../style.css").is_none());
    }

    #[test]
    fn no_file_refers_to_anything_outside() {
        for part in [&*STYLE, &*SCRIPT, &*ICON] {
            let outside = part.contents.replace("http://www.w3.org/2000/svg", "");
            assert!(!outside.contains("http:") && !outside.contains("https:"), "{}", part.name);
            assert!(!outside.contains("@import") && !outside.contains("url("), "{}", part.name);
        }
    }
}
