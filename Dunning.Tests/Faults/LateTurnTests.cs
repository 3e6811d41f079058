using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Simulation;
using NodaTime;

namespace Dunning.Tests.Faults;

/// <summary>
/// An effect that waited so long for its turn that it could outlive its account's claim: another server could take the account over and do it too.
/// </summary>
public sealed class LateTurnTests : IPaymentGateway, IMailer
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 1, 12, 0);

    private readonly Rulebook _rules = Samples.Rules();
    private readonly MemoryBook _book = new();
    private readonly List<string> _charged = [];
    private readonly List<(string Account, bool HasTime)> _mails = [];
    private readonly TaskCompletionSource _allWait = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Instant _now = Start;
    private bool _isSlow;

    public LateTurnTests()
    {
        foreach (var id in new[] { "a", "b" })
        {
            var known = Start - Duration.FromDays(20);
            var account = Samples.Account(id, known) with
            {
                Subscriptions = [Samples.Subscription(id + "-1", "monthly", new LocalDate(2026, 2, 1), new LocalDate(2026, 3, 1), known)],
                Methods = [Samples.Card("sandbox_ok", known)],
            };
            _book.Add(account, Pass.DueOf(account, known, _rules));
        }
    }

    [Fact]
    public async Task A_charge_whose_turn_comes_too_late_is_not_made_until_the_next_pass()
    {
        var events = new List<BookEvent>();
        _isSlow = true;

        var report = await RunSlowlyAsync(events, PassKind.Renew);

        Assert.Single(_charged);
        Assert.Contains(report.Refusals.Keys, r => r.Contains("waited too long", StringComparison.Ordinal));
        Assert.DoesNotContain(events, e => e.Type is EventTypes.ChargeUnknown or EventTypes.ChargeFailed);

        _isSlow = false;
        _now += Duration.FromMinutes(15);
        await Runner(events).RunAsync(PassKind.All, default);
        Assert.Equal(2, _charged.Distinct().Count());
        Assert.Equal(2, _charged.Count);
        Assert.Equal(2, events.Count(e => e.Type == EventTypes.InvoicePaid));
    }

    [Fact]
    public async Task A_mail_whose_turn_comes_too_late_has_no_time_left_and_is_not_tried()
    {
        var events = new List<BookEvent>();
        await Runner(events).RunAsync(PassKind.Renew, default);
        _isSlow = true;

        await RunSlowlyAsync(events, PassKind.Mail);

        var late = _mails[1];
        Assert.NotEqual(_mails[0].Account, late.Account);
        Assert.Equal((true, false), (_mails[0].HasTime, late.HasTime));
        // It was no try: due still, and sent in its next turn.
        Assert.Equal((late.Account, true), _mails[2]);
        Assert.Equal(2, events.Count(e => e.Type == EventTypes.EmailSent));
    }

    async Task<GatewayOutcome> IPaymentGateway.ChargeAsync(ChargeRequest request, CancellationToken ct)
    {
        _charged.Add(request.Key);
        await DawdleAsync();
        return new GatewayOutcome.Succeeded();
    }

    Task<GatewayOutcome?> IPaymentGateway.LookUpAsync(ChargeRequest request, CancellationToken ct) => Task.FromResult<GatewayOutcome?>(null);

    Task<GatewayOutcome> IPaymentGateway.FenceAsync(ChargeRequest request, CancellationToken ct) => Task.FromResult<GatewayOutcome>(new GatewayOutcome.NeverMade());

    Task<bool> IPaymentGateway.RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct) => Task.FromResult(true);

    Task<bool> IPaymentGateway.DetachAsync(string account, PaymentMethod method, CancellationToken ct) => Task.FromResult(true);

    async Task<ImmutableArray<DeliveryResult>> IMailer.DeliverAsync(AccountFile account, Model.Mail mail, CancellationToken ct)
    {
        _mails.Add((account.Id, !ct.IsCancellationRequested));
        if (ct.IsCancellationRequested)
        {
            return [];
        }
        await DawdleAsync();
        return mail.Recipients.Select(r => new DeliveryResult(r.Contact, DeliveryVerdict.Accepted, null)).ToImmutableArray();
    }

    // The clock moves while the others wait for the one slot.
    private async Task DawdleAsync()
    {
        if (_isSlow)
        {
            await _allWait.Task;
            _now += Duration.FromSeconds(61);
        }
    }

    // The book answers at once, so that the call comes back when both have been claimed and one of them waits.
    private async Task<PassReport> RunSlowlyAsync(List<BookEvent> events, PassKind pass)
    {
        var running = Runner(events).RunAsync(pass, default);
        _allWait.SetResult();
        return await running;
    }

    private PassRunner Runner(List<BookEvent> events) =>
        new(_book, () => _rules, this, this, () => _now, new PassLimits { Concurrency = 1 }) { OnSaved = d => events.AddRange(d.Events) };
}
