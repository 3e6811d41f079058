using Dunning.Hosting;
using Dunning.Ops.SignIn;
using NodaTime;

namespace Dunning.Housekeeping;

/// <summary>One kind of rows that are kept no longer than needed.</summary>
/// <param name="Name">What operators and <c>dunning.housekeeping_run</c> call it.</param>
/// <param name="Table">Its table.</param>
/// <param name="Before">Rows older than that go; null: none does.</param>
/// <param name="Old">Which rows are old and not needed any more; reads <c>@before</c>. The table is <c>t</c>.</param>
/// <param name="Slice">
/// Of a table that grows without end: the column in whose order rows come. Its rows are looked for day by day, so that what is long gone is not looked
/// through again for each batch.
/// </param>
internal sealed record Chore(string Name, string Table, Instant? Before, string Old, string? Slice = null)
{
    /// <summary>A function that deletes instead of a statement, where the role may not.</summary>
    public string? Function { get; init; }

    /// <summary>The signature of that function, which the role must have been allowed.</summary>
    public string? Right { get; init; }

    /// <summary>Everything there is to do, as things stand at an instant.</summary>
    public static IReadOnlyList<Chore> All(RetentionSettings keep, Instant now)
    {
        return
        [
            // A mail is whole: while it has yet to leave for somebody, what became of it for others is read with it.
            new("outbox", "dunning.outbox", DaysAgo(keep.OutboxDays),
                """
                t.settled_at < @before and not exists (
                    select from dunning.outbox w where w.account_id = t.account_id and w.mail_number = t.mail_number and w.state in ('pending', 'held'))
                """,
                Slice: "decided_at"),
            new("webhooks", "dunning.webhook", DaysAgo(keep.WebhooksDays), "t.settled_at < @before"),
            new("card_holds", "dunning.card_hold", DaysAgo(keep.CardSessionsDays), "t.settled_at < @before and t.state <> 'held'"),
            // A new card that has not been handed in to its account yet is not over. Its reservations are gone by now, if they are as old.
            new("card_sessions", "dunning.card_session", DaysAgo(keep.CardSessionsDays),
                """
                t.settled_at < @before and t.state <> 'open' and (t.handed_in or t.state <> 'done')
                and not exists (select from dunning.card_hold h where h.session_id = t.id and (h.state = 'held' or h.settled_at >= @before))
                """),
            new("pass_runs", "dunning.pass_run", DaysAgo(keep.PassRunsDays), "t.started_at < @before"),
            new("housekeeping_runs", "dunning.housekeeping_run", DaysAgo(keep.PassRunsDays), "t.started_at < @before"),
            new("alerts", "dunning.alert", DaysAgo(keep.AlertsDays), "t.resolved_at < @before"),
            // Hangfire lets go of what has succeeded after a day, and never of what has failed.
            new("job_records", "hangfire.job", DaysAgo(keep.JobRecordsDays), "t.statename = 'Failed' and t.createdat < @before"),
            // These end by themselves, and nobody looks at them then.
            new("sessions", "dunning.ops_session", now, "t.ends_at < @before"),
            new("sign_in_failures", "dunning.ops_failure", now - SignInLimits.Forgotten, "t.last_at < @before"),
            new("oidc_sign_ins", "dunning.ops_oidc", now, "t.ends_at < @before"),
            new("guard_buckets", "dunning.guard_bucket", DaysAgo(2), "t.minute < @before"),
            new("events", "dunning.event", keep.EventsYears is { } years ? now.InUtc().Date.PlusYears(-years).AtStartOfDayInZone(DateTimeZone.Utc).ToInstant() : null,
                "t.at < @before and not exists (select from dunning.receivable r where r.account_id = t.account_id and r.state = 'open')", Slice: "at")
            {
                Function = "dunning.prune_events(@since, @until, @batch)",
                Right = "dunning.prune_events(timestamptz, timestamptz, int)",
            },
        ];

        Instant DaysAgo(int days) => now - Duration.FromDays(days);
    }
}
