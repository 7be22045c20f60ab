//! From a rule's name to its file.

use crate::instant::Instant;
use crate::lifecycle::candidate::Candidate;
use crate::lifecycle::outcome::{Next, Outcome};
use crate::lifecycle::schedules::Schedules;
use crate::lifecycle::signs::Signs;

use super::rule::{About, Rule};
use super::{ActingRule, rules};

macro_rules! each {
    ($($(#[$doc:meta])+ $name:ident: $rule:ident, by_default: $by_default:literal;)+) => {
        impl Signs {
            /// Does the product's schema bring this rule?
            pub fn bring(&self, rule: ActingRule) -> bool {
                match rule {
                    $(ActingRule::$rule => {
                        super::$name::$rule::ABOUT.sign.is_none_or(|sign| self.has(sign))
                    })+
                }
            }
        }

        impl ActingRule {
            pub(in crate::lifecycle) fn about(self) -> About {
                match self {
                    $(ActingRule::$rule => super::$name::$rule::ABOUT,)+
                }
            }

            /// Does it remind the owner, and make no transition?
            pub fn reminds(self) -> bool {
                self.about().reminds
            }

            /// What it comes to.
            pub(in crate::lifecycle) fn evaluate<S: Schedules>(
                self,
                candidate: &Candidate<'_>,
                schedules: &S,
            ) -> Outcome {
                let next = self.without_holds(candidate, schedules)?;
                if !schedules.has_holds() {
                    return Ok(next);
                }
                match self {
                    $(ActingRule::$rule => {
                        super::$name::$rule::unless_held(next, candidate, schedules)
                    })+
                }
            }

            /// What it would come to if nothing were held.
            pub(in crate::lifecycle) fn without_holds<S: Schedules>(
                self,
                candidate: &Candidate<'_>,
                schedules: &S,
            ) -> Outcome {
                match self {
                    $(ActingRule::$rule => super::$name::$rule::evaluate(candidate, schedules),)+
                }
            }

            pub(in crate::lifecycle) fn observed<S: Schedules>(
                self,
                next: &Next,
                candidate: &Candidate<'_>,
                schedules: &S,
            ) -> String {
                match self {
                    $(ActingRule::$rule => super::$name::$rule::observed(next, candidate, schedules),)+
                }
            }

            pub(in crate::lifecycle) fn is_about(self, candidate: &Candidate<'_>) -> bool {
                match self {
                    $(ActingRule::$rule => super::$name::$rule::is_about(candidate),)+
                }
            }

            pub(in crate::lifecycle) fn look_again_at<S: Schedules>(
                self,
                candidate: &Candidate<'_>,
                schedules: &S,
            ) -> Option<Instant> {
                match self {
                    $(ActingRule::$rule => super::$name::$rule::look_again_at(candidate, schedules),)+
                }
            }

            pub(in crate::lifecycle) fn fill_next_start_at<S: Schedules>(
                self,
                candidate: &Candidate<'_>,
                outcome: &Outcome,
                schedules: &S,
            ) -> Option<Instant> {
                match self {
                    $(ActingRule::$rule => {
                        super::$name::$rule::fill_next_start_at(candidate, outcome, schedules)
                    })+
                }
            }
        }
    };
}
rules!(each);
