//! Where the product's executor and ours, which only observes, agree: a row for each
//! transition that either made or would have made, and what they come to.

use uuid::Uuid;

use crate::instant::{HOUR, Instant, MINUTE, Micros, SECOND};

use super::report::grouped;

/// The `code` of what a user built before the product's executor did.
pub const OVERTAKEN: &str = "overtaken";

/// When both made, or would have made, one transition, or when one of them did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Both did.
    Both {
        /// When ours was first observed.
        ours: Instant,
        /// When the product's build was made.
        product: Instant,
    },
    /// Only ours would have.
    OnlyOurs(Instant),
    /// Only the product's did.
    OnlyProduct(Instant),
}

impl Made {
    /// Puts together what is known of a transition; `None` where nothing is.
    pub fn new(ours: Option<Instant>, product: Option<Instant>) -> Option<Made> {
        match (ours, product) {
            (Some(ours), Some(product)) => Some(Made::Both { ours, product }),
            (Some(ours), None) => Some(Made::OnlyOurs(ours)),
            (None, Some(product)) => Some(Made::OnlyProduct(product)),
            (None, None) => None,
        }
    }

    /// Its `verdict`.
    pub fn name(self) -> &'static str {
        match self {
            Made::Both { .. } => "both",
            Made::OnlyOurs(_) => "only_ours",
            Made::OnlyProduct(_) => "only_product",
        }
    }

    /// When ours was first observed.
    pub fn ours(self) -> Option<Instant> {
        match self {
            Made::Both { ours, .. } | Made::OnlyOurs(ours) => Some(ours),
            Made::OnlyProduct(_) => None,
        }
    }

    /// When the product's build was made.
    pub fn product(self) -> Option<Instant> {
        match self {
            Made::Both { product, .. } | Made::OnlyProduct(product) => Some(product),
            Made::OnlyOurs(_) => None,
        }
    }

    /// The product's time minus ours.
    pub fn apart(self) -> Option<Micros> {
        match self {
            Made::Both { ours, product } => {
                Some(Micros(product.micros().saturating_sub(ours.micros())))
            }
            _ => None,
        }
    }
}

/// A transition that either made or would have made.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The workspace.
    pub workspace_id: Uuid,
    /// The build's number.
    pub build_number: i32,
    /// start, stop or delete.
    pub transition: String,
    /// The product's `build_reason`.
    pub reason: String,
    /// By whom, and when.
    pub made: Made,
    /// Why only one of them, if that is known.
    pub code: Option<String>,
    /// The same as a sentence.
    pub detail: Option<String>,
}

/// What all of them come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Transitions that both made or would have made.
    pub agreed: usize,
    /// Those that only ours would have made.
    pub only_ours: usize,
    /// Of these, those where a user was first: that is no disagreement.
    pub overtaken: usize,
    /// Those that only the product's executor made.
    pub only_product: usize,
    /// The median of how much later the product's executor was.
    pub median_apart: Option<Micros>,
}

impl Summary {
    /// Counts them.
    pub fn of(compared: &[Compared]) -> Summary {
        let mut summary = Summary::default();
        let mut apart = Vec::new();
        for one in compared {
            match one.made {
                Made::Both { .. } => summary.agreed += 1,
                Made::OnlyOurs(_) => {
                    summary.only_ours += 1;
                    summary.overtaken += usize::from(one.code.as_deref() == Some(OVERTAKEN));
                }
                Made::OnlyProduct(_) => summary.only_product += 1,
            }
            apart.extend(one.made.apart().map(|apart| apart.0));
        }
        summary.median_apart = median(apart);
        summary
    }

    /// Was there something to agree on, and did they agree on all of it?
    pub fn all_agree(&self) -> bool {
        self.agreed > 0 && self.only_product == 0 && self.only_ours == self.overtaken
    }

    /// The same in a sentence.
    pub fn sentence(&self) -> String {
        let all = self.agreed + self.only_ours + self.only_product;
        if all == 0 {
            return "nothing to compare: the product's executor made no build, and ours would \
                    have made none"
                .to_owned();
        }
        let mut sentence = format!("{} of {} agree", grouped(self.agreed), grouped(all));
        if self.only_ours > 0 {
            sentence.push_str(&format!(", {} only ours", grouped(self.only_ours)));
        }
        if self.overtaken > 0 {
            let overtaken = grouped(self.overtaken);
            sentence.push_str(&format!(" ({overtaken} of these overtaken by a user)"));
        }
        if self.only_product > 0 {
            let only_product = grouped(self.only_product);
            sentence.push_str(&format!(", {only_product} only the product's"));
        }
        if let Some(apart) = self.median_apart {
            sentence.push_str(&format!("; ours {} at the median", earlier(apart)));
        } else if self.only_ours == 0 {
            sentence.push_str("; ours observed nothing: is workspace_autobuild.action observe?");
        } else if self.only_product == 0 {
            sentence.push_str("; the product's executor made no build: is it on?");
        }
        sentence
    }
}

/// The value in the middle, or the mean of the two there.
fn median(mut values: Vec<i64>) -> Option<Micros> {
    values.sort_unstable();
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(Micros(i64::midpoint(lower, upper)))
}

/// How much earlier ours was than the product's.
fn earlier(Micros(apart): Micros) -> String {
    let size = apart.saturating_abs();
    let rounded = |unit| size.saturating_add(unit / 2) / unit;
    let size = match size {
        0 => return "at the same time".to_owned(),
        _ if size < SECOND => format!("{} ms", rounded(SECOND / 1000)),
        _ if size < 2 * MINUTE => format!("{} s", rounded(SECOND)),
        _ if size < 2 * HOUR => format!("{} min", rounded(MINUTE)),
        _ => format!("{} h", rounded(HOUR)),
    };
    let which = if apart > 0 { "earlier" } else { "later" };
    format!("{size} {which}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Instant = Instant::NO_TIME;

    fn both(apart: i64) -> Made {
        Made::Both {
            ours: OURS,
            product: OURS.saturating_add_micros(apart),
        }
    }

    fn compared(made: Made, code: Option<&str>) -> Compared {
        Compared {
            workspace_id: Uuid::nil(),
            build_number: 2,
            transition: "start".to_owned(),
            reason: "autostart".to_owned(),
            made,
            code: code.map(str::to_owned),
            detail: None,
        }
    }

    fn summary(of: &[Made]) -> Summary {
        let all: Vec<Compared> = of.iter().map(|made| compared(*made, None)).collect();
        Summary::of(&all)
    }

    #[test]
    fn a_sentence_says_how_many_agree_and_how_far_apart() {
        let all = vec![both(31 * SECOND); 1204];
        let summary = summary(&all);
        assert!(summary.all_agree());
        assert_eq!(
            summary.sentence(),
            "1,204 of 1,204 agree; ours 31 s earlier at the median"
        );
    }

    #[test]
    fn a_sentence_says_what_only_one_made() {
        let mut all = vec![
            compared(both(-SECOND), None),
            compared(both(-SECOND), None),
            compared(Made::OnlyOurs(OURS), None),
            compared(Made::OnlyOurs(OURS), Some(OVERTAKEN)),
            compared(Made::OnlyProduct(OURS), Some("no_provisioner")),
        ];
        assert_eq!(
            Summary::of(&all).sentence(),
            "2 of 5 agree, 2 only ours (1 of these overtaken by a user), 1 only the product's; \
             ours 1 s later at the median"
        );
        assert!(!Summary::of(&all).all_agree());
        all.pop();
        assert!(!Summary::of(&all).all_agree());
        all.remove(2);
        assert!(Summary::of(&all).all_agree(), "a user is nobody's fault");
    }

    #[test]
    fn of_one_side_alone_and_of_nothing_it_says_what_may_be_off() {
        let none = summary(&[]);
        assert!(none.sentence().starts_with("nothing to compare"));
        let ours = summary(&[Made::OnlyOurs(OURS)]);
        assert_eq!(
            ours.sentence(),
            "0 of 1 agree, 1 only ours; the product's executor made no build: is it on?"
        );
        let product = summary(&[Made::OnlyProduct(OURS)]);
        assert_eq!(
            product.sentence(),
            "0 of 1 agree, 1 only the product's; ours observed nothing: is \
             workspace_autobuild.action observe?"
        );
        let neither = summary(&[Made::OnlyProduct(OURS), Made::OnlyOurs(OURS)]);
        assert_eq!(
            neither.sentence(),
            "0 of 2 agree, 1 only ours, 1 only the product's"
        );
        for nothing_agreed in [none, ours, product, neither] {
            assert!(!nothing_agreed.all_agree());
            assert_eq!(nothing_agreed.median_apart, None);
        }
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        let apart = |all: &[i64]| {
            let all: Vec<Made> = all.iter().map(|apart| both(*apart)).collect();
            summary(&all).median_apart
        };
        assert_eq!(apart(&[5]), Some(Micros(5)));
        assert_eq!(apart(&[9, -3, 5]), Some(Micros(5)));
        assert_eq!(apart(&[10, 4, -3, 900]), Some(Micros(7)));
    }

    #[test]
    fn how_far_apart_is_told_in_a_unit_of_its_size() {
        for (apart, said) in [
            (0, "at the same time"),
            (600, "1 ms earlier"),
            (-400_000, "400 ms later"),
            (SECOND + 600_000, "2 s earlier"),
            (119 * SECOND, "119 s earlier"),
            (2 * MINUTE, "2 min earlier"),
            (-90 * MINUTE, "90 min later"),
            (2 * HOUR, "2 h earlier"),
            (i64::MAX, "2562047788 h earlier"),
            (i64::MIN, "2562047788 h later"),
        ] {
            assert_eq!(earlier(Micros(apart)), said, "{apart}");
        }
    }
}
