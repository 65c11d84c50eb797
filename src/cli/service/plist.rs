//! The text of a launchd agent: launchd.plist(5).

use crate::autoconfig::xml::escape;

/// What launchd knows the agent by.
pub(super) const LABEL: &str = "gatepost";

/// The agent that runs this command from the log-in on, and again after a failure.
pub(super) fn text(command: &[String]) -> String {
    let words = command.iter().map(|word| format!("\t\t<string>{}</string>\n", escape(word)));
    let words: String = words.collect();
    format!(
        "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
	<key>Label</key>
	<string>{LABEL}</string>
	<key>ProgramArguments</key>
	<array>
{words}\t</array>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ThrottleInterval</key>
	<integer>10</integer>
	<key>ExitTimeOut</key>
	<integer>30</integer>
	<key>Umask</key>
	<integer>63</integer>
</dict>
</plist>
"
    )
}

/// The command of an agent that [`text`] wrote, as far as it has one.
pub(super) fn command(plist: &str) -> Option<Vec<String>> {
    let (_, behind) = plist.split_once("<key>ProgramArguments</key>")?;
    let (array, _) = behind.split_once("</array>")?;
    let strings = array.split("<string>").skip(1);
    strings.map(|string| Some(unescaped(string.split_once("</string>")?.0))).collect()
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::service::entry::Entry;

    #[test]
    fn the_agent_is_well_formed_and_names_the_command() {
        let home = "/Users/you/R&D <&amp;> \"quoted\" 'too'";
        let entry = Entry::new("/Applications/Gate post/gatepost", &["--home", home]);
        let words = entry.command(&["run"]);
        let plist = text(&words);
        let options =
            roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
        let document = roxmltree::Document::parse_with_options(&plist, options).unwrap();
        let children = |node: roxmltree::Node<'_, '_>| -> Vec<String> {
            let elements = node.children().filter(roxmltree::Node::is_element);
            elements.map(|it| it.text().unwrap_or(it.tag_name().name()).to_owned()).collect()
        };
        let dict = document.root_element().first_element_child().unwrap();
        let elements: Vec<_> = dict.children().filter(roxmltree::Node::is_element).collect();
        assert!(elements.chunks(2).all(|pair| pair.len() == 2 && pair[0].has_tag_name("key")));
        let value = |key: &str| {
            let at = elements.iter().position(|it| it.text() == Some(key)).unwrap();
            elements[at + 1]
        };
        let expected = ["/Applications/Gate post/gatepost", "run", "--home", home];
        assert_eq!(children(value("ProgramArguments")), expected);
        assert_eq!(value("Label").text(), Some(LABEL));
        assert!(value("RunAtLoad").has_tag_name("true"));
        assert_eq!(children(value("KeepAlive")), ["SuccessfulExit", "false"]);
        assert_eq!(command(&plist).unwrap(), words);
    }

    #[test]
    fn what_is_no_agent_has_no_command() {
        assert_eq!(command("<plist/>"), None);
        assert_eq!(command("<key>ProgramArguments</key><array><string>a</array>"), None);
    }
}
