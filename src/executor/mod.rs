//! One tick: candidates, verdicts, builds, outcomes.

pub mod report;

// STAND-IN, dropped at merge: enough of a tick to try the worker's life on.
#[cfg(feature = "pgrx")]
pub use standin::{Tick, worker_tick};
#[cfg(feature = "pgrx")]
mod standin {
    use crate::instant::Instant;
    use crate::product::schema::Product;
    use crate::server::error::Error;
    use crate::server::query::{Access, run};
    use crate::server::{statement_timeout, transaction};
    use crate::settings::Settings;

    use super::report::{Progress, TickReport};

    /// How a tick went.
    pub enum Tick {
        /// It was made.
        Done(TickReport),
        /// It waits.
        Waiting {
            /// What for, as a condition.
            sqlstate: String,
            /// What for, and what to do.
            problem: String,
        },
    }

    /// One tick.
    pub fn worker_tick(
        _at: Instant,
        settings: &Settings,
        progress: &dyn Fn(Progress),
    ) -> Result<Tick, Error> {
        progress(Progress::Reading);
        let product =
            transaction::repeatable_read(|| Ok(()), || Product::find(&settings.product_schema));
        let product = match product {
            Ok(product) => product,
            Err(error) => {
                return Ok(Tick::Waiting {
                    sqlstate: error.sqlstate(),
                    problem: error.to_string(),
                });
            }
        };
        let of = 10_000;
        for done in (0..of).step_by(2_500) {
            progress(Progress::Building { done, of });
            statement_timeout::armed(settings.statement_timeout, || {
                transaction::repeatable_read(
                    || Ok(()),
                    || {
                        let sql = format!(
                            "SELECT pg_catalog.count(*) FROM {}",
                            product.table("workspaces")
                        );
                        run(&sql, Access::Read, Vec::new(), |_| Ok(()))
                    },
                )
            })?;
        }
        progress(Progress::Recording);
        Ok(Tick::Done(TickReport::default()))
    }
}
