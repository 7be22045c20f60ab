//! Ticks by hand for now and for two days ahead, with nothing due by then.

use crate::Config;
use crate::process::Session;
use crate::renewed::renew;
use crate::report::Report;
use crate::server::Copy;
use crate::sides::{Sides, in_turn, tell};
use crate::tick::{attach, tick};

/// Measures them, by scan and with the agenda.
pub(crate) fn run(config: &Config, sides: &Sides, report: &mut Report) {
    let copies: Vec<Copy<'_>> = sides.all().map(|bench| bench.copy()).collect();
    let session = |copy: &Copy<'_>| Session::new(copy.connect());
    let mut sessions: Vec<Session> = copies.iter().map(session).collect();
    for session in &mut sessions {
        renew(&mut session.client, 0);
    }
    for how in ["scan", "agenda"] {
        for (session, bench) in sessions.iter_mut().zip(sides.all()) {
            if how == "agenda" {
                attach(&mut session.client);
            }
            bench.settle();
        }
        for (what, at) in [
            ("idle tick for now", "now()"),
            ("idle tick for two days ahead", "now() + interval '2 days'"),
        ] {
            for turn in 0..=3 * config.repeat as usize {
                in_turn(turn, &mut sessions, |session| {
                    let (_, built) = session.time(|client| tick(client, at));
                    assert_eq!(built, 0, "nothing is due by {at}");
                    // The first warms up.
                    if turn == 0 {
                        session.anew();
                    }
                });
            }
            let size = sides.now().size;
            tell(report, size, what, how, "ms", sessions.iter_mut());
        }
    }
}
