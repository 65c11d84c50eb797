//! The user's own OAuth client, as Google's console lets it be downloaded.

use serde::Deserialize;

use crate::secret::ClientSecret;

/// What identifies the user's own program to the authorization server (RFC 6749 §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthClient {
    /// Its public name.
    pub id: String,
    /// Google gives Desktop clients one and wants it at the token endpoint, PKCE or not.
    pub secret: Option<ClientSecret>,
}

/// Why a downloaded client file can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientFileError {
    /// Not JSON, or none of Google's forms.
    #[error("this is not the JSON file that Google's console downloads for a client ({0})")]
    NotAClient(String),
    /// Its redirect addresses are fixed on the console, so that sign-in can't work.
    #[error(
        "this client is of the type “Web application”; Gatepost needs one of the type “Desktop app”"
    )]
    WebClient,
    /// A service account has no person who signs in.
    #[error(
        "this is the key of a service account; Gatepost needs a client of the type “Desktop app”"
    )]
    ServiceAccount,
}

#[derive(Deserialize)]
struct ClientFile {
    installed: Option<Installed>,
    web: Option<serde::de::IgnoredAny>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Installed {
    client_id: String,
    client_secret: Option<String>,
}

impl OauthClient {
    /// Reads the JSON that Google's console downloads for a client of the type “Desktop app”.
    pub fn from_json(json: &str) -> Result<Self, ClientFileError> {
        let file: ClientFile = serde_json::from_str(json.trim_start_matches('\u{feff}'))
            .map_err(|error| ClientFileError::NotAClient(format!("line {}", error.line())))?;
        match (file.installed, file.web, file.kind.as_deref()) {
            (Some(client), ..) if !client.client_id.trim().is_empty() => Ok(Self {
                id: client.client_id,
                secret: client
                    .client_secret
                    .filter(|secret| !secret.is_empty())
                    .map(ClientSecret::new),
            }),
            (Some(_), ..) => Err(ClientFileError::NotAClient("its client_id is empty".into())),
            (_, Some(_), _) => Err(ClientFileError::WebClient),
            (_, _, Some("service_account")) => Err(ClientFileError::ServiceAccount),
            _ => Err(ClientFileError::NotAClient("it has no “installed” part".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_file_is_read() {
        let client = OauthClient::from_json(
            r#"{"installed":{"client_id":"1-a.apps.googleusercontent.com","project_id":"p",
            "client_secret":"GOCSPX-x","redirect_uris":["http://localhost"]}}"#,
        )
        .unwrap();
        assert_eq!(client.id, "1-a.apps.googleusercontent.com");
        assert_eq!(client.secret, Some(ClientSecret::new("GOCSPX-x")));
    }

    #[test]
    fn other_files_are_named() {
        assert_eq!(
            OauthClient::from_json(r#"{"web":{"client_id":"x"}}"#),
            Err(ClientFileError::WebClient)
        );
        assert_eq!(
            OauthClient::from_json(r#"{"type":"service_account"}"#),
            Err(ClientFileError::ServiceAccount)
        );
        for (text, why) in [
            ("", "line 1"),
            ("{}", "it has no “installed” part"),
            ("[]", "line 1"),
            ("<html>", "line 1"),
            (r#"{"installed":{"client_id":""}}"#, "its client_id is empty"),
        ] {
            let refused = Err(ClientFileError::NotAClient(why.to_owned()));
            assert_eq!(OauthClient::from_json(text), refused, "{text}");
        }
    }
}
