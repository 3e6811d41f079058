using System.Collections.Immutable;
using System.Globalization;
using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Rules;
using Dunning.Simulation;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Tests.Diaries;

/// <summary>
/// An account's days, in its own time zone, with a pass at every full hour. Each entry says what one pass does; every pass between two entries
/// must do nothing, so that the quiet days are asserted too.
/// </summary>
internal sealed class Diary
{
    private static readonly LocalDateTimePattern Pattern = LocalDateTimePattern.CreateWithInvariantCulture("uuuu-MM-dd HH:mm");

    private readonly MemoryBook _book = new();
    private readonly MemoryLedger _ledger = new();
    private Rulebook _rules;
    private readonly PassRunner _runner;
    private readonly List<BookEvent> _events = [];
    private readonly List<(Instant Start, Instant End)> _outages = [];
    private readonly MailLog _mails = new();
    private readonly List<AccountAction> _actions = [];
    private readonly List<GatewayNews> _news = [];
    private readonly DateTimeZone _zone;
    private readonly string _account;
    private readonly bool _namesSubscriptions;
    private Instant _now;

    public Diary(string since, Func<Instant, AccountFile> account, params (string Key, string Value)[] settings)
    {
        _rules = Samples.Rules(settings);
        var zone = account(default).TimeZone;
        _zone = _rules.Options.Zones[zone];
        _now = At(since);
        var file = account(_now);
        (_account, _namesSubscriptions) = (file.Id, file.Subscriptions.Length > 1);
        _book.Add(file, Pass.DueOf(file, _now, _rules));
        _runner = new PassRunner(_book, () => _rules, new SandboxGateway(_ledger, new SandboxOptions(), TimeProvider.System), _mails, () => _now, new PassLimits())
        {
            OnSaved = d => _events.AddRange(d.Events),
        };
    }

    /// <summary>Another gateway than one that takes any amount.</summary>
    public GatewayTraits Gateway
    {
        init => _rules = _rules with { Gateway = value };
    }

    /// <summary>The key of the first attempt of the only subscription's period with its card.</summary>
    public static string KeyOf(LocalDate periodStart, int attempt = 1) => Charging.KeyOf("tests", "s", periodStart, attempt, new MethodRef("card", 0));

    /// <summary>The account as it stands.</summary>
    public AccountFile File => Assert.Single(_book.Accounts);

    /// <summary>The last mail of a template.</summary>
    public Model.Mail LastMail(string template) => _mails.Sent.Last(m => m.Template == template);

    /// <summary>What the last mail of a template told.</summary>
    public MailFacts LastFacts(string template) => LastMail(template).Facts;

    public Subscription Subscription => Assert.Single(File.Subscriptions);

    /// <summary>No pass runs in these spans, [start, end).</summary>
    public Diary WithOutage(string start, string end)
    {
        _outages.Add((At(start), At(end)));
        return this;
    }

    /// <summary>Asked for before the next entry: its pass applies it.</summary>
    public Diary Do(string action, Func<AccountAction, AccountAction>? with = null)
    {
        var asked = new AccountAction(_now, _account, action);
        _actions.Add(with is null ? asked : with(asked));
        return this;
    }

    /// <summary>The gateway tells it before the next entry: its pass takes it in.</summary>
    public Diary Tell(GatewayNews news)
    {
        _news.Add(news);
        return this;
    }

    public Diary NewCard(string token, string expires = "2030-01") => Do(ActionNames.UpdatePaymentMethod, a => a with
    {
        Token = token,
        Expires = YearMonthPattern.Iso.Parse(expires).Value,
    });

    public Diary On(string subscription, string action) => Do(action, a => a with { Subscription = subscription });

    /// <summary>Nothing happens up to and including the pass at that time.</summary>
    public Task QuietUntilAsync(string local) => ExpectAsync(local);

    /// <summary>Nothing happens before the pass at that time, and then exactly this, in any order.</summary>
    public Task ExpectAsync(string local, params string[] events) => ExpectAsync(At(local), local, events);

    /// <summary>The same where the local time would not say which pass is meant.</summary>
    public Task ExpectPassAtAsync(Instant until, params string[] events) => ExpectAsync(until, InstantPattern.General.Format(until), events);

    private async Task ExpectAsync(Instant until, string local, string[] events)
    {
        Assert.True(until > _now || (_events.Count == 0 && until == _now), $"{local} has passed");
        if (_actions.Count > 0 || _news.Count > 0)
        {
            // They wait for the entry's own pass: nothing else may come first.
            await RunToAsync(until - Duration.FromHours(1));
            AssertQuiet(local);
            _now = until;
            await _book.AnswerAsync([.. _actions.Select(a => new AnswerFor(_account, null, f => Kept(Pass.Act(f, a with { At = until }, until, _rules)))
            {
                Invoice = a.NeedsInvoice,
            })], default);
            _actions.Clear();
            await _book.AnswerAsync([.. _news.Select(n => new AnswerFor(_account, n.FindKey(), f => Kept(Pass.Told(f, n, until, _rules))))], default);
            _news.Clear();
        }
        await RunToAsync(until);
        var before = _events.Where(e => e.At < until).Select(Text).ToList();
        Assert.True(before.Count == 0, $"before {local}, these should not have happened:\n{string.Join('\n', before)}");
        Assert.Equal(events.Order(StringComparer.Ordinal), _events.Select(Text).Select(t => t[(t.IndexOf('Z', StringComparison.Ordinal) + 2)..]).Order(StringComparer.Ordinal));
        _events.Clear();
    }

    /// <summary>How many charges the gateway has taken money for.</summary>
    public async Task<int> SuccessesAsync() => (await _ledger.SuccessesByAccountAsync(default)).GetValueOrDefault(_account);

    /// <summary>How many charges went back.</summary>
    public async Task<int> RefundsAsync()
    {
        var count = 0;
        await foreach (var call in _ledger.CallsAsync(default))
        {
            count += call.RefundKey is null ? 0 : 1;
        }
        return count;
    }

    private Decision Kept(Decision decision)
    {
        _events.AddRange(decision.Events);
        return decision;
    }

    private void AssertQuiet(string local)
    {
        var events = _events.Select(Text).ToList();
        Assert.True(events.Count == 0, $"before {local}, these should not have happened:\n{string.Join('\n', events)}");
    }

    private async Task RunToAsync(Instant until)
    {
        // The first pass is at the start of the diary itself, the others follow at every full hour of UTC and at the entry's own time.
        while (_now <= until)
        {
            if (!_outages.Any(o => o.Start <= _now && _now < o.End) && await _book.NextDueAsync(default) <= _now)
            {
                var report = await _runner.RunAsync(PassKind.All, default);
                Assert.Empty(report.Faults);
            }
            if (_now == until)
            {
                return;
            }
            var next = Instant.FromUnixTimeSeconds(((_now.ToUnixTimeSeconds() / 3600) + 1) * 3600);
            _now = Instant.Min(next, until);
        }
    }

    private Instant At(string local) => _zone.AtStrictly(Pattern.Parse(local).Value).ToInstant();

    private string Text(BookEvent e)
    {
        var parts = new List<string> { InstantPattern.General.Format(e.At), e.Type };
        if (e.Type == EventTypes.InvoiceIssued)
        {
            parts.Add($"{Iso(e.PeriodStart)}..{Iso(e.PeriodEnd)} {e.Subtotal}+{e.Tax}-{e.CreditApplied}={e.AmountDue}");
        }
        else if (e.Type == EventTypes.SubscriptionRenewed)
        {
            parts.Add(Iso(e.PeriodEnd)!);
        }
        else
        {
            // Amount and token are those of the invoice and of the card: they are told where they say something of their own.
            parts.AddRange(new[]
            {
                e.Type == EventTypes.CreditApplied ? e.Amount?.ToString(CultureInfo.InvariantCulture) : null,
                e.Code, e.Reason, e.Step?.ToString(CultureInfo.InvariantCulture), e.Kind, e.Audience, e.Plan, Iso(e.EndsOn), Iso(e.PurgeOn),
                e.Until is { } until ? InstantPattern.General.Format(until) : null, e.Template, e.Do,
            }.OfType<string>());
        }
        if (_namesSubscriptions && e.Subscription is { } subscription)
        {
            parts.Add($"({subscription})");
        }
        return string.Join(' ', parts);
    }

    /// <summary>Keeps what would have been sent.</summary>
    private sealed class MailLog : IMailer
    {
        private readonly SinkMailer _sink = new();

        public List<Model.Mail> Sent { get; } = [];

        public Task<ImmutableArray<DeliveryResult>> DeliverAsync(AccountFile account, Model.Mail mail, CancellationToken ct)
        {
            Sent.Add(mail);
            return _sink.DeliverAsync(account, mail, ct);
        }
    }

    private static string? Iso(LocalDate? date) => date is { } it ? LocalDatePattern.Iso.Format(it) : null;
}
