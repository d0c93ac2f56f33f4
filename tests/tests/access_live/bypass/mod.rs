//! Ways around a rule: what does not come in by the front door does not come in by any other spelling of it, and what may
//! come in still does in that very form, so that each refusal is the rule's and not the spelling's.

mod addresses;
mod claims;
mod forwarded;
mod names;
mod nominated;
mod paths;
mod proxied;
mod readings;
mod unseen;
