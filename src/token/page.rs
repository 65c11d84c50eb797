//! The page that a person sees in the browser after the consent.

/// A whole page. Nothing in it comes from the network but what is escaped here.
pub(super) fn render(good: bool, heading: &str, lines: &[&str]) -> String {
    let paragraphs: String =
        lines.iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
    let (mark, class) = if good { ("✓", "good") } else { ("!", "bad") };
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading} – Gatepost</title>
<style>
:root {{ color-scheme: light dark; font: 1.05rem/1.5 system-ui, sans-serif; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#f3f5f7, #16191d); color: light-dark(#1d2329, #e6e9ec); }}
main {{ max-width: 34rem; margin: 1.5rem; padding: 2rem 2.5rem; border-radius: .8rem; background: light-dark(#fff, #22272d); box-shadow: 0 1px 6px #0003; }}
h1 {{ margin: 0 0 1rem; font-size: 1.4rem; display: flex; gap: .8rem; align-items: center; }}
.mark {{ flex: none; width: 2.2rem; height: 2.2rem; border-radius: 50%; display: grid; place-items: center; color: #fff; }}
.good {{ background: #1a7f4b; }} .bad {{ background: #b3261e; }}
p {{ margin: .6rem 0; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1><span class="mark {class}" aria-hidden="true">{mark}</span>{heading}</h1>
{paragraphs}</main>
</body>
</html>
"#,
        heading = escape(heading),
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_comes_from_outside_is_escaped() {
        let page = super::render(false, "a<b>", &["\"x\" & 'y' <script>"]);
        assert!(!page.contains("<script>") && !page.contains("a<b>"));
        assert!(page.contains("&quot;x&quot; &amp; &#39;y&#39; &lt;script&gt;"));
    }
}
