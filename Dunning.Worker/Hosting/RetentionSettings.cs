using System.Collections.Immutable;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Hosting;

/// <summary>How long is kept what the books do not need. Invoices, credit notes, documents and the audit are kept for good.</summary>
public sealed record RetentionSettings
{
    private const string Section = "Retention:";

    /// <summary><c>Retention:At</c>: the quiet hour at which it is tidied up, in <c>Jobs:TimeZone</c>. Default 03:30.</summary>
    public LocalTime At { get; init; } = new(3, 30);

    /// <summary><c>Retention:Outbox:Days</c>: mails that have left, failed for good or were dropped. Default 365.</summary>
    public int OutboxDays { get; init; } = 365;

    /// <summary><c>Retention:Webhooks:Days</c>: what a gateway told, once it is worked off or has failed. Default 60.</summary>
    public int WebhooksDays { get; init; } = 60;

    /// <summary><c>Retention:CardSessions:Days</c>: visits to a gateway's page that are over. Default 90.</summary>
    public int CardSessionsDays { get; init; } = 90;

    /// <summary><c>Retention:PassRuns:Days</c>: how passes and housekeeping went. Default 90.</summary>
    public int PassRunsDays { get; init; } = 90;

    /// <summary><c>Retention:JobRecords:Days</c>: the job host's records of jobs that failed; it forgets those that succeeded by itself. Default 30.</summary>
    public int JobRecordsDays { get; init; } = 30;

    /// <summary><c>Retention:Alerts:Days</c>: alerts that are resolved. Default 365.</summary>
    public int AlertsDays { get; init; } = 365;

    /// <summary><c>Retention:Events:Years</c>: the trail of accounts that owe nothing. Null, the default: for good.</summary>
    public int? EventsYears { get; init; }

    /// <summary>
    /// Reads the keys of <c>Retention</c> out of a flat configuration, without case; an empty value is none. Returns the settings or every fault: key,
    /// given value, what is allowed.
    /// </summary>
    public static (RetentionSettings? Settings, ImmutableArray<string> Faults) Read(IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var given = settings.Where(s => !string.IsNullOrEmpty(s.Value) && s.Key.StartsWith(Section, StringComparison.OrdinalIgnoreCase))
            .ToDictionary(s => s.Key, s => s.Value!, StringComparer.OrdinalIgnoreCase);
        var faults = ImmutableArray.CreateBuilder<string>();
        var usual = new RetentionSettings();
        var at = usual.At;
        if (given.TryGetValue("Retention:At", out var text))
        {
            if (!LocalTimePattern.CreateWithInvariantCulture("HH:mm").Parse(text).TryGetValue(usual.At, out at))
            {
                faults.Add($"Retention:At is '{text}', but must be a time of day such as 03:30");
            }
        }
        var read = new RetentionSettings
        {
            At = at,
            OutboxDays = Days("Retention:Outbox:Days", usual.OutboxDays),
            WebhooksDays = Days("Retention:Webhooks:Days", usual.WebhooksDays),
            CardSessionsDays = Days("Retention:CardSessions:Days", usual.CardSessionsDays),
            PassRunsDays = Days("Retention:PassRuns:Days", usual.PassRunsDays),
            JobRecordsDays = Days("Retention:JobRecords:Days", usual.JobRecordsDays),
            AlertsDays = Days("Retention:Alerts:Days", usual.AlertsDays),
            EventsYears = given.TryGetValue("Retention:Events:Years", out var years) ? WholeNumber.Read(years, "Retention:Events:Years", 10, 1, 100, faults) : null,
        };
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (read, []);

        // Gateways tell again for a month what they were not thanked for, and cards are disputed for longer than that.
        int Days(string key, int standard) => WholeNumber.Read(given.GetValueOrDefault(key), key, standard, 30, 36_500, faults);
    }
}
