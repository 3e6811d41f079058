using System.Collections.Immutable;
using System.Globalization;
using Dunning.Model;
using Dunning.Time;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Options;

/// <summary>
/// The settings that rules read. Made by <see cref="Read"/> from configuration keys; every fault is found at once.
/// </summary>
public sealed record RuleOptions
{
    /// <summary><c>Dunning:ChargeAt</c>: local time of day at which a billing date falls due. Default 09:00.</summary>
    public LocalTime ChargeAt { get; init; } = new(9, 0);

    /// <summary><c>Dunning:PurgeAfterDays</c>: days from suspension to purge. Default 90, at least 8.</summary>
    public int PurgeAfterDays { get; init; } = 90;

    /// <summary>
    /// <c>Dunning:EraseClosedAfterDays</c>: days after the last thing that happened to a closed account until its personal data is erased, as by a purge.
    /// Null, the default: never.
    /// </summary>
    public int? EraseClosedAfterDays { get; init; }

    /// <summary><c>Dunning:Steps</c>: the schedule of cases that open from now on.</summary>
    public StepSchedule Steps { get; init; } = DefaultSteps;

    /// <summary><c>Dunning:Seller:Country</c>: where the seller pays VAT. Default FR.</summary>
    public string SellerCountry { get; init; } = "FR";

    /// <summary><c>Dunning:Seller:TimeZone</c>: of issue dates and the year of invoice numbers. Default Europe/Paris.</summary>
    public string SellerTimeZone { get; init; } = "Europe/Paris";

    /// <summary><c>Payments:KeyHours</c>: hours after its first call past which an unknown charge is never sent again. Default 23.</summary>
    public int KeyHours { get; init; } = 23;

    /// <summary>
    /// <c>Payments:NetworkLimit:PerMonth</c>: attempts within 30 days that follow a decline on a card and amount, since its last success. Default 15.
    /// </summary>
    public int NetworkLimitPerMonth { get; init; } = 15;

    /// <summary><c>Payments:NetworkLimit:PerDay</c>: the same within 24 hours. Default 10.</summary>
    public int NetworkLimitPerDay { get; init; } = 10;

    /// <summary><c>Payments:DebitNoticeDays</c>: days before a bank debit on which it is announced. Default 2; 0: never.</summary>
    public int DebitNoticeDays { get; init; } = 2;

    /// <summary>
    /// <c>Dunning:AttemptGap</c>: what counts as the same pass where passes are jobs of their own; spaces automatic attempts of an invoice.
    /// Default 10 minutes; zero in a simulation, where one pass has one instant.
    /// </summary>
    public Duration AttemptGap { get; init; } = Duration.FromMinutes(10);

    /// <summary><c>Payments:CallTimeoutSeconds</c>: how long a gateway call may take. Default 60.</summary>
    public Duration CallTimeout { get; init; } = Duration.FromSeconds(60);

    /// <summary>
    /// How long after a call's timeout its claim ends, so that another server takes it for unknown.
    /// </summary>
    public Duration LeaseMargin { get; init; } = Duration.FromSeconds(60);

    /// <summary>
    /// True in the service, false in a simulation: unknown charges are looked up at growing intervals instead of at every pass, and a customer's
    /// cancel that waits for an outcome is kept instead of rejected (RULES 13).
    /// </summary>
    public bool IsService { get; init; } = true;

    /// <summary><c>Dunning:TimeZoneData</c>: the time-zone database that dates are worked out with. Default <c>current</c>, that of the program.</summary>
    public ZoneData Zones { get; init; } = ZoneData.Current;

    /// <summary>The schedule of RULES 5.</summary>
    public static StepSchedule DefaultSteps { get; } = StepSchedule.Create(
    [
        new(0, MailTemplates.PaymentFailed, null, false),
        new(2, MailTemplates.PaymentFailed, null, false),
        new(4, MailTemplates.PaymentFailed, Audiences.OwnerAdmins, false),
        new(21, MailTemplates.SuspensionWarning, Audiences.AllAgents, false),
        new(29, MailTemplates.AccountSuspended, null, true),
    ]).Schedule!;

    /// <summary>
    /// What of it decisions depend on, as text: a database knows it, and a server that has another does no work (RULES 13).
    /// </summary>
    public string Fingerprint => string.Create(CultureInfo.InvariantCulture,
        $"ChargeAt={LocalTimePattern.ExtendedIso.Format(ChargeAt)};PurgeAfterDays={PurgeAfterDays};Steps={Steps.Fingerprint};" +
        $"Seller={SellerCountry},{SellerTimeZone};KeyHours={KeyHours};AttemptGap={AttemptGap.TotalSeconds};" +
        $"NetworkLimit={NetworkLimitPerMonth},{NetworkLimitPerDay};DebitNoticeDays={DebitNoticeDays};tz={Zones.Version}")
        // Only where it is set: servers that do not know it yet may work beside.
        + (EraseClosedAfterDays is { } days ? string.Create(CultureInfo.InvariantCulture, $";EraseClosedAfterDays={days}") : "");

    /// <summary>The options as a simulation uses them.</summary>
    public RuleOptions ForSimulation() => this with { AttemptGap = Duration.Zero, IsService = false };

    /// <summary>
    /// Reads the rules' keys out of a flat configuration (<c>Dunning:Steps:3:Day</c> → <c>21</c>), key by key over the defaults.
    /// Keys are compared without case. Returns either the options or every fault: key, given value, what is allowed.
    /// </summary>
    public static (RuleOptions? Options, ImmutableArray<string> Faults) Read(IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var reader = new SettingsReader(settings);
        var options = new RuleOptions
        {
            ChargeAt = reader.Time("Dunning:ChargeAt", new LocalTime(9, 0)),
            PurgeAfterDays = reader.Int("Dunning:PurgeAfterDays", 90, 8, 3650),
            EraseClosedAfterDays = reader.IntOrNone("Dunning:EraseClosedAfterDays", 365, 30, 3650),
            SellerCountry = reader.Country("Dunning:Seller:Country", "FR"),
            SellerTimeZone = reader.Zone("Dunning:Seller:TimeZone", "Europe/Paris"),
            KeyHours = reader.Int("Payments:KeyHours", 23, 1, 23),
            NetworkLimitPerMonth = reader.Int("Payments:NetworkLimit:PerMonth", 15, 1, 35),
            NetworkLimitPerDay = reader.Int("Payments:NetworkLimit:PerDay", 10, 1, 10),
            DebitNoticeDays = reader.Int("Payments:DebitNoticeDays", 2, 0, 30),
            AttemptGap = Duration.FromMinutes(reader.Int("Dunning:AttemptGap", 10, 1, 1440)),
            Zones = reader.Zones("Dunning:TimeZoneData"),
            CallTimeout = Duration.FromSeconds(reader.Int("Payments:CallTimeoutSeconds", 60, 1, 600)),
        };
        var steps = reader.Steps();
        if (steps is not null)
        {
            options = options with { Steps = steps };
        }
        reader.RefuseUnknown();
        return reader.Faults.Count == 0 ? (options, []) : (null, [.. reader.Faults]);
    }
}
