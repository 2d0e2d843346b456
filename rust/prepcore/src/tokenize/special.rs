//! Which tokens stand before and after each document, and who said so.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TokenizerFolder;
use crate::{Error, Result};

/// A token that stands before or after every document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialToken {
    /// Its id.
    pub id: u32,
    /// Its text in the vocabulary.
    pub token: String,
    /// Who said so: `tokenizer_config.json`, `post_processor` or `option`.
    pub from: String,
}

/// The file that names a tokenizer's special tokens.
const CONFIGURATION: &str = "tokenizer_config.json";

/// What stands before (*bos*) and after (*eos*) every document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialTokens {
    /// Begins a document.
    pub bos: Option<SpecialToken>,
    /// Ends a document.
    pub eos: Option<SpecialToken>,
}

impl SpecialTokens {
    /// Resolves `--bos` and `--eos`, each `auto`, `none`, a token of the vocabulary, or an id (digits).
    ///
    /// `auto` asks the folder's `tokenizer_config.json`, then the template of the post-processor. There, a
    /// `null` is an answer: no such token. `"add_bos_token": false` too, as models so marked were trained
    /// without one; `"add_eos_token"` says only what an encoder appends to a prompt, so it is not asked. When
    /// bos is `auto` and nobody names one, or it is the same token as eos (GPT-2), only eos is used.
    ///
    /// # Errors
    /// [`Error::Config`] when `auto` finds no eos, and when a token or an id is not in the vocabulary.
    pub fn resolve(folder: &TokenizerFolder, bos: &str, eos: &str) -> Result<Self> {
        let resolved_eos = match eos {
            "none" => None,
            "auto" => Some(automatic(folder, Side::After)?.flatten().ok_or_else(|| {
                Error::config(
                    "--eos",
                    "auto: neither tokenizer_config.json nor the post-processor names a token",
                )
                .hint(format!("say which: `--eos TOKEN` or `--eos none`; {}", known(folder)))
            })?),
            named => Some(option(folder, "--eos", named)?),
        };
        let resolved_bos = match bos {
            "none" => None,
            "auto" => automatic(folder, Side::Before)?
                .flatten()
                .filter(|bos| resolved_eos.as_ref().is_none_or(|eos| eos.id != bos.id)),
            named => Some(option(folder, "--bos", named)?),
        };
        Ok(Self { bos: resolved_bos, eos: resolved_eos })
    }

    /// Ids that these add to each document.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.bos.is_some()) + usize::from(self.eos.is_some())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// What the tokenizer's own files say: nothing (`None`), that there is none (`Some(None)`), or a token.
fn automatic(folder: &TokenizerFolder, side: Side) -> Result<Option<Option<SpecialToken>>> {
    if let Some(configuration) = &folder.configuration {
        let (key, option) = match side {
            Side::Before => ("bos_token", "--bos"),
            Side::After => ("eos_token", "--eos"),
        };
        if side == Side::Before && configuration.get("add_bos_token") == Some(&Value::Bool(false)) {
            return Ok(Some(None));
        }
        match configuration.get(key) {
            None => {}
            Some(Value::Null) => return Ok(Some(None)),
            // Older files write the token with its flags, as an object.
            Some(value) => {
                let token = value.as_str().or_else(|| value.get("content").and_then(Value::as_str));
                let token = token.ok_or_else(|| {
                    let seen = format!("auto: tokenizer_config.json has {key} = {value}, expected a token");
                    Error::config(option, seen)
                })?;
                let id = folder.tokenizer.token_to_id(token).ok_or_else(|| {
                    let seen =
                        format!("auto: {key} of tokenizer_config.json is {token:?}, not in the vocabulary");
                    Error::config(option, seen).hint(known(folder))
                })?;
                return Ok(Some(Some(SpecialToken { id, token: token.into(), from: CONFIGURATION.into() })));
            }
        }
    }
    Ok(folder.json.get("post_processor").and_then(|post_processor| templated(post_processor, side)).map(Some))
}

/// The outermost special token on one side of the text in a template; a sequence may hold the template.
fn templated(post_processor: &Value, side: Side) -> Option<SpecialToken> {
    if let Some(processors) = post_processor.get("processors").and_then(Value::as_array) {
        return processors.iter().find_map(|processor| templated(processor, side));
    }
    let pieces = post_processor.get("single")?.as_array()?;
    let outermost = match side {
        Side::Before => pieces.first()?,
        Side::After => pieces.last()?,
    };
    let name = outermost.pointer("/SpecialToken/id")?.as_str()?;
    let special = post_processor.get("special_tokens")?.get(name)?;
    let id = u32::try_from(special.get("ids")?.get(0)?.as_u64()?).ok()?;
    let token = special.get("tokens")?.get(0)?.as_str()?;
    Some(SpecialToken { id, token: token.into(), from: "post_processor".into() })
}

/// A token that the user named: digits are an id, anything else a token's text.
fn option(folder: &TokenizerFolder, option: &str, named: &str) -> Result<SpecialToken> {
    let found = if named.bytes().all(|byte| byte.is_ascii_digit()) {
        named.parse().ok().and_then(|id| Some((id, folder.tokenizer.id_to_token(id)?)))
    } else {
        folder.tokenizer.token_to_id(named).map(|id| (id, named.to_owned()))
    };
    let (id, token) = found.ok_or_else(|| {
        let seen = format!("got {named:?}, expected `auto`, `none`, a token of the vocabulary or its id");
        Error::config(option, seen).hint(known(folder))
    })?;
    Ok(SpecialToken { id, token, from: "option".into() })
}

/// The special tokens that there are, the first few of them.
fn known(folder: &TokenizerFolder) -> String {
    const SHOWN: usize = 8;
    let mut special: Vec<(u32, String)> = folder
        .tokenizer
        .get_added_tokens_decoder()
        .into_iter()
        .filter(|(_, token)| token.special)
        .map(|(id, token)| (id, token.content))
        .collect();
    special.sort_unstable();
    if special.is_empty() {
        return "the tokenizer has no special tokens".into();
    }
    let names: Vec<_> = special.iter().take(SHOWN).map(|(id, token)| format!("{token} ({id})")).collect();
    let more = special.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the tokenizer's special tokens are {}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::{SMALL, opened};
    use super::*;

    fn resolved(configuration: Option<&str>, bos: &str, eos: &str) -> Result<(Option<u32>, Option<u32>)> {
        let special = SpecialTokens::resolve(&opened(SMALL, configuration), bos, eos)?;
        Ok((special.bos.map(|token| token.id), special.eos.map(|token| token.id)))
    }

    #[test]
    fn the_configuration_speaks_before_the_template() {
        assert_eq!(resolved(None, "auto", "auto").unwrap(), (Some(1), Some(5)));
        let strings = r#"{"bos_token": "a", "eos_token": {"content": "b", "special": true}}"#;
        assert_eq!(resolved(Some(strings), "auto", "auto").unwrap(), (Some(2), Some(3)));
        assert_eq!(resolved(Some("{}"), "auto", "auto").unwrap(), (Some(1), Some(5)));
        let folder = opened(SMALL, Some(r#"{"eos_token": "</s>"}"#));
        let special = SpecialTokens::resolve(&folder, "auto", "auto").unwrap();
        assert_eq!(special.bos.unwrap().from, "post_processor");
        assert_eq!(special.eos.unwrap().from, "tokenizer_config.json");
    }

    #[test]
    fn one_token_for_both_is_used_once() {
        let same = r#"{"bos_token": "</s>", "eos_token": "</s>"}"#;
        assert_eq!(resolved(Some(same), "auto", "auto").unwrap(), (None, Some(5)));
        assert_eq!(resolved(Some(same), "</s>", "auto").unwrap(), (Some(5), Some(5)));
    }

    #[test]
    fn a_configuration_can_say_that_there_is_none() {
        let no_bos = r#"{"bos_token": null, "eos_token": "</s>"}"#;
        assert_eq!(resolved(Some(no_bos), "auto", "auto").unwrap(), (None, Some(5)));
        let not_added =
            r#"{"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": false, "add_eos_token": false}"#;
        assert_eq!(resolved(Some(not_added), "auto", "auto").unwrap(), (None, Some(5)));
        let error = resolved(Some(r#"{"eos_token": null}"#), "auto", "auto").unwrap_err();
        assert!(error.to_string().starts_with("--eos: auto: neither"), "{error}");
    }

    #[test]
    fn options_are_tokens_or_ids() {
        assert_eq!(resolved(None, "none", "none").unwrap(), (None, None));
        assert_eq!(resolved(None, "0", "c").unwrap(), (Some(0), Some(4)));
        for (bos, eos, option) in
            [("<bos>", "auto", "--bos"), ("auto", "8", "--eos"), ("auto", "99999999999", "--eos")]
        {
            let error = resolved(None, bos, eos).unwrap_err();
            assert!(error.to_string().starts_with(option), "{error}");
            assert!(error.to_string().ends_with("are <unk> (0), <s> (1), </s> (5)"), "{error}");
        }
        let error = resolved(Some(r#"{"eos_token": "</end>"}"#), "auto", "auto").unwrap_err();
        assert!(error.to_string().contains("is \"</end>\", not in the vocabulary"), "{error}");
    }
}
