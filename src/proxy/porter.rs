//! Keys from the platform's keychain, fetched beside everything else. A keychain may be locked, ask
//! its person for a password, or never answer: no client and no start waits for it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::accounts::{Account, AdoptError, Keychain, KeychainError};

/// How long the keychain may take before the log says so. A person who is asked for a password needs
/// longer, and has it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What any trouble with the keychain means.
const MEANING: &str = "accounts open when their first mail program signs on";

/// Goes to the keychain, on one errand at a time.
pub(super) struct Porter {
    /// Each account waits in it with two errands at most, so it stays short.
    errands: mpsc::UnboundedSender<(Arc<Account>, Question)>,
    known: Arc<Known>,
}

/// An errand, and the name that the keychain has for the record. One made anew is another.
type Question = (String, Errand);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Errand {
    /// Open a locked account.
    Open,
    /// See to it that the keychain opens an account that is open now at the next start.
    Adopt,
    /// Forget the key of an account that is no more.
    Untie,
}

#[derive(Default)]
struct Known(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    /// Since the last reload.
    questions: BTreeSet<Question>,
    /// Those of them, and of before, that have not begun. A reload adds none that waits already.
    waiting: BTreeSet<Question>,
    /// The keychain is of no use until the next reload.
    is_useless: bool,
    /// What was logged last of a keychain's trouble; the same again is not.
    said: Option<String>,
}

impl Porter {
    pub(super) fn new(keychain: Keychain) -> Self {
        let (errands, waiting) = mpsc::unbounded_channel();
        let known = Arc::<Known>::default();
        tokio::spawn(go(keychain, waiting, known.clone()));
        Self { errands, known }
    }

    /// After a reload, everything may be asked again: the keychain may be unlocked by now.
    pub(super) fn begin_anew(&self) {
        let mut asked = self.known.lock();
        asked.questions.clear();
        asked.is_useless = false;
    }

    /// Has the keychain open a locked account, or lets it open an unlocked one at the next start.
    /// Asked once for each until the next reload; returns at once.
    pub(super) fn see_to(&self, account: &Arc<Account>) {
        let errand = if account.is_locked() { Errand::Open } else { Errand::Adopt };
        let question = (account.record().keychain_name(), errand);
        let mut asked = self.known.lock();
        if asked.is_useless || !asked.questions.insert(question.clone()) {
            return;
        }
        let is_needed = errand == Errand::Open || !account.opens_with_key_file();
        if is_needed && asked.waiting.insert(question.clone()) {
            // The receiver lives in the task, which ends only with this.
            let _ = self.errands.send((account.clone(), question));
        }
    }

    /// The same for an account that has just been signed in, whatever was asked before: its person is
    /// there, and may have unlocked the keychain.
    pub(super) fn see_to_anew(&self, account: &Arc<Account>) {
        let name = account.record().keychain_name();
        let mut asked = self.known.lock();
        asked.questions.retain(|(other, _)| *other != name);
        asked.is_useless = false;
        drop(asked);
        self.see_to(account);
    }

    /// Has the keychain forget the key of an account that is no more; returns at once.
    pub(super) fn untie(&self, account: &Arc<Account>) {
        let record = account.record();
        let question = (record.keychain_name(), Errand::Untie);
        let mut asked = self.known.lock();
        if record.has_keychain_slot() && asked.waiting.insert(question.clone()) {
            let _ = self.errands.send((account.clone(), question));
        }
    }
}

async fn go(
    keychain: Keychain,
    mut errands: mpsc::UnboundedReceiver<(Arc<Account>, Question)>,
    known: Arc<Known>,
) {
    while let Some((account, question)) = errands.recv().await {
        if !known.begin(&question) {
            continue;
        }
        let (name, errand) = question;
        let address = account.address();
        match ask(&keychain, &account, (name.clone(), errand), &known).await {
            Ok(true) if errand == Errand::Open => {
                known.lock().questions.insert((name, Errand::Adopt));
                tracing::info!(account = %address, "the keychain has opened this account");
            }
            Ok(true) if errand == Errand::Adopt => {
                tracing::info!(account = %address, "the keychain will open this account at the next start");
            }
            Ok(_) if errand == Errand::Untie => {}
            Err(error) if errand == Errand::Untie => tracing::warn!(
                account = %address,
                "{error}; the entry “{name}” for gatepost stays in the system's keychain, and opens nothing any more"
            ),
            Ok(false) if account.is_locked() && account.record().has_keychain_slot() => {
                tracing::info!(account = %address, "the keychain has no key for this account; it opens when its first mail program signs on");
            }
            Ok(_) => {}
            Err(AdoptError::Keychain(error)) if error.is_for_all() => {
                known.lock().is_useless = true;
                if known.is_news(&error) {
                    match error {
                        KeychainError::Absent { .. } => tracing::info!("{error}; {MEANING}"),
                        error => tracing::warn!(
                            "{error}; {MEANING}, or once you have seen to it and run `gatepost reload`"
                        ),
                    }
                }
            }
            // It is for the next start; clients are served all the same.
            Err(error) => tracing::warn!(account = %address, "{error}; {MEANING}"),
        }
    }
}

/// The errand's answer, whenever it comes; its thread may wait for a person meanwhile. A thread of
/// the runtime's own would hold the program's end.
async fn ask(
    keychain: &Keychain,
    account: &Arc<Account>,
    (name, errand): Question,
    known: &Known,
) -> Result<bool, AdoptError> {
    let (answer, mut answered) = oneshot::channel();
    let (keychain, account) = (keychain.clone(), account.clone());
    let question = move || {
        let outcome = match errand {
            Errand::Open => account.unlock_with_keychain(&keychain).map_err(AdoptError::from),
            Errand::Adopt => account.adopt_keychain(&keychain),
            Errand::Untie => keychain.remove(&name).map_err(AdoptError::from),
        };
        // Nobody waits for it once the proxy has ended.
        let _ = answer.send(outcome);
    };
    let failed = |reason: String| AdoptError::from(KeychainError::Failed { reason });
    let thread = std::thread::Builder::new().name("keychain".to_owned());
    thread.spawn(question).map_err(|error| failed(error.to_string()))?;
    let answer = match timeout(PATIENCE, &mut answered).await {
        Ok(answer) => answer,
        Err(_) => {
            let silent = "the keychain has not answered yet, and may be asking for its password";
            if known.is_news(&silent) {
                tracing::warn!("{silent}; until it does, {MEANING}");
            }
            answered.await
        }
    };
    answer.unwrap_or_else(|_| Err(failed("its library broke off".to_owned())))
}

impl Known {
    /// False if the errand is in vain.
    fn begin(&self, question: &Question) -> bool {
        let mut asked = self.lock();
        asked.waiting.remove(question);
        !asked.is_useless
    }

    /// True if these words are others than the last.
    fn is_news(&self, words: &impl ToString) -> bool {
        let words = Some(words.to_string());
        let mut asked = self.lock();
        let is_news = asked.said != words;
        asked.said = words;
        is_news
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
