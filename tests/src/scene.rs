//! A lively set of workspaces as of now, for the demo and for the README's examples:
//! several zones, some due within two minutes, some that can't move, each for
//! another reason.

use crate::product::{
    Fields, HOUR, MINUTE, NewWorkspace, Product, Template, Transition, User, Value, parameter,
};

/// Half a minute: who runs so long is stopped at the next full minute, so that start
/// and stop alternate.
const BRIEF: i64 = MINUTE / 2;

/// Sets the scene in a fresh installation of the product.
pub fn set(product: &Product) {
    let anna = product.user("anna").create();
    let ben = product.user("ben").create();
    let chen = product.user("chen").create();
    let docker = product
        .template("docker")
        .parameter(parameter("region").default("eu").options(&["eu", "us"]))
        .create();
    moving(&docker, anna, ben, chen);
    reminded(product, ben);
    stuck(product, &docker, anna, ben, chen);
}

fn moving(docker: &Template<'_>, anna: User, ben: User, chen: User) {
    // Start and stop in turn: every second minute a start, half a minute of life.
    started(
        docker
            .workspace("api")
            .owner(anna)
            .schedule("CRON_TZ=Europe/Berlin */2 * * * *")
            .ttl(BRIEF),
        "now() + interval '30 seconds'",
    );
    stopped(
        docker
            .workspace("web")
            .owner(ben)
            .schedule("CRON_TZ=America/New_York */2 * * * *")
            .ttl(BRIEF),
        "now()",
    );
    stopped(
        docker
            .workspace("model")
            .owner(chen)
            .schedule("CRON_TZ=Asia/Kolkata 1-59/2 * * * *")
            .ttl(BRIEF),
        "now()",
    );
    // Once: a start at a wall clock's time, a stop at a deadline.
    let in_a_minute = Value::sql(
        "to_char((now() + interval '1 minute') AT TIME ZONE 'Asia/Tokyo',
                 '\"CRON_TZ=Asia/Tokyo \"FMMI FMHH24\" * * *\"')",
    );
    stopped(
        docker
            .workspace("docs")
            .owner(anna)
            .set("autostart_schedule", in_a_minute)
            .ttl(8 * HOUR),
        "now()",
    );
    started(
        docker.workspace("review").owner(ben).ttl(HOUR),
        "now() + interval '1 minute'",
    );
    // Later today, and on working days.
    started(
        docker.workspace("training").owner(chen).ttl(8 * HOUR),
        "now() + interval '6 hours'",
    );
    stopped(
        docker
            .workspace("office")
            .owner(anna)
            .schedule("CRON_TZ=Europe/Berlin 0 9 * * 1-5")
            .ttl(9 * HOUR),
        "now()",
    );
}

/// The owner is reminded a minute before the workspace is stopped.
fn reminded(product: &Product, ben: User) {
    product.add_notices();
    let evening = product
        .template("evening")
        .set("time_til_autostop_notify", MINUTE)
        .create();
    started(
        evening.workspace("notebook").owner(ben).ttl(8 * HOUR),
        "now() + interval '150 seconds'",
    );
}

fn stuck(product: &Product, docker: &Template<'_>, anna: User, ben: User, chen: User) {
    let dora = product.user("dora").suspended().create();
    let hourly = "CRON_TZ=Europe/Berlin 0 * * * *";
    let long_ago = "now() - interval '3 hours'";
    stopped(
        docker
            .workspace("asleep")
            .owner(anna)
            .schedule(hourly)
            .dormant_at(Value::sql("now() - interval '3 days'")),
        long_ago,
    );
    stopped(
        docker.workspace("left").owner(dora).schedule(hourly),
        long_ago,
    );
    stopped(
        docker
            .workspace("typo")
            .owner(chen)
            .schedule("CRON_TZ=Europe/Berlin 0 9 * * MON-FRY"),
        long_ago,
    );
    let by_hand = product.template("by-hand").forbids_autostart().create();
    stopped(
        by_hand.workspace("lab").owner(ben).schedule(hourly),
        long_ago,
    );
    let broken = product
        .template("broken")
        .version(|version| version.import_failed("main.tf: missing brace"))
        .create();
    stopped(
        broken.workspace("wreck").owner(anna).schedule(hourly),
        long_ago,
    );
    following(product, anna, hourly, long_ago);
    let strict = product
        .template("strict")
        .parameter(parameter("team"))
        .create();
    stopped(
        strict.workspace("nameless").owner(ben).schedule(hourly),
        long_ago,
    );
}

/// A workspace that follows its template to a version whose parameter has another default for
/// each owner.
fn following(product: &Product, anna: User, schedule: &str, at: &str) {
    const SOURCE: &str = "data \"coder_workspace_owner\" \"me\" {}
data \"coder_parameter\" \"sender\" {
  name    = \"sender\"
  default = data.coder_workspace_owner.me.email
}
";
    let mailer = product
        .template("mailer")
        .set("use_classic_parameter_flow", false)
        .create();
    let post = mailer
        .workspace("post")
        .owner(anna)
        .schedule(schedule)
        .set("automatic_updates", "always");
    stopped(post, at);
    let version = mailer
        .new_version("pushed")
        .parameter(parameter("sender").default("anna@example.com"))
        .create();
    version.source(&[("main.tf", SOURCE)]);
    version.activate();
}

/// The workspace was stopped, at a time that is an SQL expression.
fn stopped(workspace: NewWorkspace<'_>, at: &str) {
    // Each row has a statement of its own, and so a `now()`: whole seconds agree.
    let at = format!("date_trunc('second', {at})");
    workspace
        .create()
        .build(Transition::Stop)
        .created_at(Value::sql(at))
        .create();
}

/// The workspace runs, until a time that is an SQL expression.
fn started(workspace: NewWorkspace<'_>, deadline: &str) {
    workspace
        .create()
        .build(Transition::Start)
        .created_at(Value::sql("now()"))
        .deadline(Value::sql(deadline))
        .create();
}
