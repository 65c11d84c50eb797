//! What every page has around it, and the files that go with them.

use std::sync::LazyLock;

use askama::Template;
use sha2::{Digest, Sha256};

/// Who looks at a page, and when.
#[derive(Debug, Clone, Copy)]
pub(in crate::status) struct Visit<'v> {
    /// What every form of the page brings back.
    pub(in crate::status) csrf: &'v str,
    /// Unix seconds.
    pub(in crate::status) now: u64,
}

/// A file that pages refer to.
pub(in crate::status) struct Asset {
    /// Its whole path. It changes with the contents, so that a browser may keep it for good.
    pub(in crate::status) path: String,
    /// Its MIME type.
    pub(in crate::status) media_type: &'static str,
    /// The file.
    pub(in crate::status) contents: &'static str,
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::of("style.css", "text/css; charset=utf-8", include_str!("style.css")));
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::of("script.js", "text/javascript; charset=utf-8", include_str!("script.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::of("icon.svg", "image/svg+xml", include_str!("icon.svg")));

/// The file under a path, if it is there in this version.
pub(in crate::status) fn asset(path: &str) -> Option<&'static Asset> {
    [&*STYLE, &*SCRIPT, &*ICON].into_iter().find(|asset| asset.path == path)
}

/// As much of the digest as tells one version from another.
const DIGEST: usize = 8;

impl Asset {
    fn of(name: &str, media_type: &'static str, contents: &'static str) -> Self {
        let digest = Sha256::digest(contents.as_bytes());
        let digest: String = digest.iter().take(DIGEST).map(|byte| format!("{byte:02x}")).collect();
        Self { path: format!("/assets/{digest}/{name}"), media_type, contents }
    }
}

/// What the frame refers to.
pub(super) struct Frame {
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            style: &STYLE.path,
            script: &SCRIPT.path,
            icon: &ICON.path,
        }
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
        for path in [frame.style, frame.script, frame.icon] {
            assert_eq!(asset(path).unwrap().path, path);
        }
        assert!(asset("/assets/0000000000000000/style.css").is_none());
        assert!(asset("/assets/../style.css").is_none());
    }

    #[test]
    fn no_file_refers_to_anything_outside() {
        for asset in [&*STYLE, &*SCRIPT, &*ICON] {
            let outside = asset.contents.replace("http://www.w3.org/2000/svg", "");
            assert!(!outside.contains("http:") && !outside.contains("https:"), "{}", asset.path);
            assert!(!outside.contains("@import") && !outside.contains("url("), "{}", asset.path);
        }
    }
}
