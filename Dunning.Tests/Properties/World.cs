using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Simulation;
using NodaTime;

namespace Dunning.Tests.Properties;

/// <summary>
/// A random book, the same for the same seed: accounts in awkward zones with awkward cards, settings, outages, and actions at awkward moments.
/// </summary>
internal sealed class World
{
    private static readonly string[] Zones =
    [
        "Europe/Paris", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "Pacific/Kiritimati",
        "Pacific/Honolulu", "America/Havana", "Asia/Kathmandu",
    ];

    private static readonly string[] Soft = ["insufficient_funds", "do_not_honor", "authentication_required"];
    private static readonly string[] Hard = ["lost_card", "expired_card", "insufficient_funds"];

    // Not for secrets: a test must be able to come back to what it found.
    private readonly Random _random;

    // Of its own, so that the stories stay what they are without it.
    private readonly Random _frequencies;

    /// <param name="seed">Makes all of it.</param>
    /// <param name="alwaysPays">Every card works, and nobody asks for anything.</param>
    public World(int seed, bool alwaysPays = false)
    {
        (_random, _frequencies) = (new Random(seed), new Random(seed + 1_000_000));
        Seed = seed;
        Rules = Samples.Rules([.. Settings()]);
        var from = Instant.FromUtc(2026, 1 + Next(12), 1 + Next(28), Next(24), 0);
        var days = 50 + Next(90);
        var tick = Duration.FromMinutes(Pick(60, 240, 240, 720, 1440));
        Span = new SimulationSpan(from, from + Duration.FromDays(days), tick, [.. Outages(from, days)]);
        Accounts = [.. Enumerable.Range(0, alwaysPays ? 6 : 8).Select(i => Account($"a{i}", alwaysPays))];
        Actions = alwaysPays ? [] : [.. Accounts.SelectMany(a => ActionsOf(a, days)).OrderBy(a => a.At)];
    }

    public int Seed { get; }
    public Rulebook Rules { get; }
    public SimulationSpan Span { get; init; }
    public ImmutableArray<AccountFile> Accounts { get; }
    public ImmutableArray<AccountAction> Actions { get; }

    /// <summary>The sandbox over a ledger.</summary>
    public static SandboxGateway Gateway(ISandboxLedger ledger) => new(ledger, new SandboxOptions(), TimeProvider.System);

    /// <summary>Whether a pass runs at an instant.</summary>
    public bool Runs(Instant now) => !Span.Outages.Any(o => o.Start <= now && now < o.End);

    /// <summary>Runs it with the simulator: accounts are claimed when they are due.</summary>
    public async Task<Run> RunAsync()
    {
        var (book, ledger) = (new MemoryBook(), new MemoryLedger());
        foreach (var account in Accounts)
        {
            book.Add(account, Pass.DueOf(account, Span.From, Rules));
        }
        var simulator = new Simulator(book, Rules, Gateway(ledger), new SinkMailer(), Span, new PassLimits());
        return new Run([.. await simulator.RunAsync(Actions, default)], [.. book.Accounts], ledger);
    }

    private IEnumerable<(string Key, string Value)> Settings()
    {
        yield return ("Dunning:ChargeAt", Pick("09:00", "00:00", "02:30", "23:30", "00:30"));
        yield return ("Dunning:PurgeAfterDays", Pick("8", "9", "14", "31", "45"));
        yield return ("Payments:KeyHours", Pick("1", "23", "23"));
        if (Chance(40))
        {
            yield break;
        }
        // Another schedule: the defaults are off, and its steps stand behind them.
        for (var i = 0; i < 5; i++)
        {
            yield return ($"Dunning:Steps:{i}:Off", "true");
        }
        var (count, day) = (3 + Next(5), 0);
        var warning = 1 + Next(count - 2);
        for (var i = 0; i < count; i++)
        {
            var isLast = i == count - 1;
            yield return ($"Dunning:Steps:{10 + i}:Day", $"{day}");
            yield return ($"Dunning:Steps:{10 + i}:Email",
                isLast ? "account_suspended" : i == warning || (i > 0 && Chance(25)) ? "suspension_warning" : "payment_failed");
            yield return ($"Dunning:Steps:{10 + i}:Notice", isLast ? "" : Pick("", "owner_admins", "all_agents"));
            yield return ($"Dunning:Steps:{10 + i}:Suspend", isLast ? "true" : "false");
            day += 1 + Next(5);
        }
    }

    private IEnumerable<(Instant Start, Instant End)> Outages(Instant from, int days)
    {
        var start = from;
        for (var i = Next(3); i > 0; i--)
        {
            start += Duration.FromHours(1 + Next(days * 12));
            var end = start + Duration.FromHours(Pick(1, 7, 30, 100, 500));
            yield return (start, end);
            start = end;
        }
    }

    private AccountFile Account(string id, bool alwaysPays)
    {
        var from = Span.From;
        string[] plans = alwaysPays ? ["monthly", "weekly", "28-daily"]
            : ["five-daily", "weekly", "five-daily", "28-daily", "monthly", "half-yearly", "yearly", "daily", "free"];
        var account = Samples.Account(id, from, Pick(Zones), Pick("FR", "DE", "HU", "GB", "US"), Pick("EUR", "USD", "JPY", "KWD")) with
        {
            Credit = Chance(25) ? Next(9000) : 0,
            LegalHold = Chance(10),
            VatNumber = Chance(30) ? "X1" : null,
            Methods = alwaysPays ? [Samples.Card("sandbox_ok", from)] : [.. Methods(from)],
        };
        account = account with { Contacts = [account.Contacts[0] with { Frequency = Frequency() }] };
        var today = from.InZone(Rules.Options.Zones[account.TimeZone]).Date;
        return account with
        {
            Subscriptions = [.. Enumerable.Range(0, Pick(1, 1, 2, 3)).Select(i =>
            {
                var plan = Pick(plans);
                var anchor = Chance(25) ? Pick(new LocalDate(2025, 12, 31), new LocalDate(2024, 2, 29), new LocalDate(2025, 8, 30)) : today.PlusDays(Next(400) - 380);
                var schedule = new Schedule(anchor, Samples.Catalog.Plans[plan].Interval);
                return Samples.Subscription($"{id}-{i}", plan, anchor, schedule.FirstFrom(today.PlusDays(Next(8))), from) with
                {
                    Quantity = 1 + Next(4),
                    AutoRenew = alwaysPays || Chance(85),
                    CancelAtPeriodEnd = !alwaysPays && Chance(7),
                };
            })],
        };
    }

    private IEnumerable<PaymentMethod> Methods(Instant from)
    {
        if (Chance(92))
        {
            yield return Samples.Card(Token(), from) with { Expires = Chance(50) ? new YearMonth(2026, 1 + Next(12)) : null };
        }
        for (var i = Pick(0, 0, 0, 1, 2); i > 0; i--)
        {
            yield return Samples.Backup($"{Pick("a", "z")}{i}", Token(), from);
        }
    }

    private string Token()
    {
        var (n, soft, hard) = (1 + Next(4), Pick(Soft), Pick(Hard));
        return Pick(
            "sandbox_ok", $"sandbox_decline_{soft}", $"sandbox_decline_{hard}", $"sandbox_decline_{soft}_x{n}", $"sandbox_ok_x{n}_decline_{hard}", $"sandbox_timeout_x{n}",
            $"sandbox_drop_x{n}", "sandbox_drop_x60", $"sandbox_drop_x{n}_decline_{hard}", $"sandbox_lost_decline_{soft}_x{n}", $"sandbox_lost_decline_{hard}_x{n}", "sandbox_sca");
    }

    private IEnumerable<AccountAction> ActionsOf(AccountFile account, int days)
    {
        var at = Span.From;
        for (var i = Next(14); i > 0; i--)
        {
            // In bursts: several in one pass, or in passes that follow each other.
            at = Chance(30) ? at + (Span.Tick * Next(3)) : Span.From + Duration.FromMinutes(Next(days * 1440));
            var name = Pick(
                ActionNames.UpdatePaymentMethod, ActionNames.UpdatePaymentMethod, ActionNames.UpdatePaymentMethod, ActionNames.Authenticate, ActionNames.Authenticate,
                ActionNames.Credit, ActionNames.Credit, ActionNames.GrantAccess, ActionNames.AbandonCharge, ActionNames.Cancel, ActionNames.Resume,
                ActionNames.SetAutoRenew, ActionNames.ChangePlan, ActionNames.AddContact, ActionNames.RemoveContact);
            yield return new AccountAction(at, account.Id, name)
            {
                Subscription = account.Subscriptions[Next(account.Subscriptions.Length)].Id,
                Token = Chance(50) ? "sandbox_ok" : Token(),
                Expires = Chance(90) ? new YearMonth(2030, 1) : new YearMonth(2026, 3),
                Plan = Pick("weekly", "monthly", "five-daily", "half-yearly", "euro-only", "none"),
                Value = Chance(60),
                Amount = name == ActionNames.Credit ? Pick(-1, 0, 1, 500, 1866, 20_000) : null,
                Days = Pick(0, 1, 3, 12),
                Email = $"c{Next(3)}@{account.Id}.example",
                Role = Pick(ContactRole.Owner, ContactRole.Billing, ContactRole.Admin),
                Frequency = Frequency(),
            };
        }
        for (var i = _frequencies.Next(6); i > 0; i--)
        {
            yield return new AccountAction(Span.From + Duration.FromMinutes(_frequencies.Next(days * 1440)), account.Id, ActionNames.SetContact)
            {
                Email = _frequencies.Next(2) == 0 ? $"owner@{account.Id}.example" : $"c{_frequencies.Next(3)}@{account.Id}.example",
                Frequency = Frequency(),
            };
        }
    }

    private MailFrequency Frequency() => (MailFrequency)_frequencies.Next(3);

    private int Next(int below) => _random.Next(below);

    private bool Chance(int percent) => _random.Next(100) < percent;

    private T Pick<T>(params T[] values) => values[_random.Next(values.Length)];
}

/// <summary>What a run left behind.</summary>
internal sealed record Run(ImmutableArray<BookEvent> Events, ImmutableArray<AccountFile> Accounts, MemoryLedger Ledger)
{
    /// <summary>The events as lines, in an order that depends on nothing but themselves.</summary>
    public IEnumerable<string> Lines => Events.Select(EventJson.Write).Order(StringComparer.Ordinal);
}
