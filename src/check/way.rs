//! The way of a mail client: through the local ports, with a password, to the mail and back.

use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{Ailment, Check, Finding};
use crate::mail_client::{Door, MailClient, MailError, send_to_oneself, try_sending};
use crate::sentence::count;

/// No step of a mail client's takes longer: it waits a minute for its LOGIN.
const STEP: Duration = Duration::from_secs(60);
/// How long a message to oneself may take from Gmail's SMTP to its IMAP.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// How long a name of this machine's own may take to look up.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Looks up the name by which mail programs come to this machine; told only if there is none.
pub async fn own_name(name: &str) -> Option<Finding> {
    let why = match timeout(LOOK_UP, lookup_host((name, 0))).await {
        Ok(Ok(_)) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    Some(Ailment::NoLocalhost { name, why: &why }.found(Check::Ports))
}

/// Signs on by IMAP, lists, opens the inbox, and waits for mail for a moment.
pub async fn read(door: &Door) -> Finding {
    let begun = Instant::now();
    let walked = async {
        let mut client = MailClient::sign_on(door).await?;
        let folders = client.folders().await?.len() as u64;
        let messages = u64::from(client.open("INBOX").await?);
        let client = client.idle().await?.done().await?;
        client.sign_off().await?;
        Ok((folders, messages))
    };
    match in_time(walked).await {
        Ok((folders, messages)) => Finding::passed(
            Check::Reading,
            format!(
                "A mail program signs on at {}, sees {} and {} in the inbox, and waits for new mail ({:.1} s in all).",
                door.place(),
                count(folders, "folder"),
                count(messages, "message"),
                begun.elapsed().as_secs_f32()
            ),
        ),
        Err(error) => failed(Check::Reading, &error),
    }
}

/// Signs on by SMTP.
pub async fn send(door: &Door) -> Finding {
    let begun = Instant::now();
    match in_time(try_sending(door)).await {
        Ok(()) => Finding::passed(
            Check::Sending,
            format!(
                "A mail program signs on at {} ({:.1} s).",
                door.place(),
                begun.elapsed().as_secs_f32()
            ),
        ),
        Err(error) => failed(Check::Sending, &error),
    }
}

/// Sends a message to oneself and waits for it in the inbox.
pub async fn round_trip(imap: &Door, smtp: &Door) -> Finding {
    // Letters alone: Gmail searches by words.
    let mut random = [0; 10];
    let Ok(()) = getrandom::fill(&mut random) else {
        return failed(Check::RoundTrip, &MailError::Words("there is no randomness".into()));
    };
    let word: String = random.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let subject = format!("Gatepost check {word}");
    let text = "Gatepost sent this message to see whether mail that is sent arrives.\r\n\
        You can delete it.\r\n";
    if let Err(error) = in_time(send_to_oneself(smtp, &subject, text)).await {
        return not_taken(&error);
    }
    let sent = Instant::now();
    match timeout(ARRIVAL, arrival(imap, &word)).await {
        Ok(Ok(())) => Finding::passed(
            Check::RoundTrip,
            format!("It was in the inbox {:.1} s after it was sent.", sent.elapsed().as_secs_f32()),
        ),
        Ok(Err(error)) => failed(Check::RoundTrip, &error),
        Err(_) => Ailment::NotArrived { subject: &subject }.found(Check::RoundTrip),
    }
}

async fn arrival(door: &Door, word: &str) -> Result<(), MailError> {
    let mut client = MailClient::sign_on(door).await?;
    loop {
        client.open("INBOX").await?;
        if client.find(word).await?.is_some() {
            return client.sign_off().await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, MailError>>) -> Result<T, MailError> {
    let late = || Err(MailError::Words("there was no answer in time".into()));
    timeout(STEP, work).await.unwrap_or_else(|_| late())
}

/// Why Gmail did not take a message (“Gmail SMTP errors and codes” in Google's documentation).
fn not_taken(error: &MailError) -> Finding {
    match error {
        MailError::Words(words) if words.contains("5.4.5") => {
            Ailment::SendingLimit.found(Check::RoundTrip)
        }
        MailError::Words(words) => Ailment::NotTaken { words }.found(Check::RoundTrip),
        other => failed(Check::RoundTrip, other),
    }
}

fn failed(check: Check, error: &MailError) -> Finding {
    let ailment = match error {
        MailError::NoConnection(place, why) => Ailment::PortSilent { place, why },
        MailError::OtherProgram(place) => Ailment::OtherProgram { place },
        MailError::NoTls(place, why) => Ailment::LocalTls { place, why },
        MailError::WrongPassword(words) => Ailment::NotLetIn { words },
        MailError::Words(words) => Ailment::Words { words },
    };
    ailment.found(check)
}
