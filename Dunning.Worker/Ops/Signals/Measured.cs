using System.Collections.Immutable;
using System.Diagnostics;
using Dunning.Jobs;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Ops.Signals;

/// <summary>A gateway whose calls are timed and counted.</summary>
internal sealed class MeasuredGateway(IPaymentGateway gateway, BookMeter meter, TimeProvider time) : IPaymentGateway
{
    public Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct) =>
        MeasureAsync("charge", request.Account, () => gateway.ChargeAsync(request, ct), NameOf);

    public Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct) =>
        MeasureAsync("look_up", request.Account, () => gateway.LookUpAsync(request, ct), NameOf);

    public Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct) =>
        MeasureAsync("fence", request.Account, () => gateway.FenceAsync(request, ct), NameOf);

    public Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct) =>
        MeasureAsync("refund", charge.Account, () => gateway.RefundAsync(charge, refundKey, ct), NameOf);

    public Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct) =>
        MeasureAsync("detach", account, () => gateway.DetachAsync(account, method, ct), NameOf);

    private static string NameOf(bool isDone) => isDone ? "done" : "not_done";

    private static string NameOf(GatewayOutcome? outcome) => outcome switch
    {
        null => "not_found",
        GatewayOutcome.Succeeded => "succeeded",
        GatewayOutcome.Declined => "declined",
        GatewayOutcome.Pending => "pending",
        GatewayOutcome.NeverMade => "never_made",
        GatewayOutcome.Refused => "refused",
        GatewayOutcome.Unknown => "unknown",
        _ => "other",
    };

    private async Task<T> MeasureAsync<T>(string operation, string account, Func<Task<T>> call, Func<T, string> nameOf)
    {
        using var span = Tracing.Source.StartActivity("gateway " + operation, ActivityKind.Client);
        span?.SetTag("dunning.account", account);
        var started = time.GetTimestamp();
        var outcome = "thrown";
        try
        {
            var result = await call();
            outcome = nameOf(result);
            return result;
        }
        finally
        {
            meter.CountCall(operation, outcome, time.GetElapsedTime(started));
            span?.SetTag("dunning.outcome", outcome);
            if (outcome is "unknown" or "refused" or "thrown")
            {
                span.Fail(outcome);
            }
        }
    }
}

/// <summary>A mailer whose verdicts are counted.</summary>
internal sealed class MeasuredMailer(IMailer mailer, BookMeter meter) : IMailer
{
    public async Task<ImmutableArray<DeliveryResult>> DeliverAsync(AccountFile account, Model.Mail mail, CancellationToken ct)
    {
        using var span = Tracing.Source.StartActivity("mail");
        span?.SetTag("dunning.account", account.Id).SetTag("dunning.template", mail.Template).SetTag("dunning.mail", mail.Number);
        var results = await mailer.DeliverAsync(account, mail, ct);
        foreach (var result in results)
        {
            meter.CountDelivery(mail.Template, result.Verdict);
        }
        if (results.Any(r => r.Verdict != DeliveryVerdict.Accepted))
        {
            span.Fail("not all were accepted");
        }
        return results;
    }
}

/// <summary>A transport whose messages are timed.</summary>
internal sealed class MeasuredTransport(IMailTransport transport, BookMeter meter, TimeProvider time) : IMailTransport
{
    public async Task<Delivery> SendAsync(OutgoingMessage message, CancellationToken ct)
    {
        using var span = Tracing.Source.StartActivity("mail send", ActivityKind.Client);
        var started = time.GetTimestamp();
        var delivery = await transport.SendAsync(message, ct);
        if (delivery != Delivery.NoTurn)
        {
            meter.CountSend(delivery.Verdict, time.GetElapsedTime(started));
        }
        if (delivery.Verdict != DeliveryVerdict.Accepted)
        {
            span.Fail(delivery.Verdict.ToString());
        }
        return delivery;
    }

    public ValueTask DisposeAsync() => transport.DisposeAsync();
}

/// <summary>A book whose claims and saves are spans.</summary>
internal sealed class TracedBook(IBook book) : IBook
{
    public async Task<BatchResult> ClaimAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct)
    {
        using var span = Tracing.Source.StartActivity("claim");
        var batch = await book.ClaimAsync(pass, now, limit, decide, ct);
        Tell(span, batch);
        return batch;
    }

    public Task<Instant?> NextDueAsync(CancellationToken ct) => book.NextDueAsync(ct);

    public async Task<BatchResult> AnswerAsync(IReadOnlyList<AnswerFor> answers, CancellationToken ct)
    {
        using var span = Tracing.Source.StartActivity("answer");
        var batch = await book.AnswerAsync(answers, ct);
        Tell(span, batch);
        return batch;
    }

    private static void Tell(Activity? span, BatchResult batch)
    {
        if (span is not null)
        {
            span.SetTag("dunning.accounts", batch.Decisions.Count).SetTag("dunning.faults", batch.Faults.Count);
            if (batch.Decisions.Count <= 20)
            {
                span.SetTag("dunning.account_ids", batch.Decisions.Select(d => d.After.Id).ToArray());
            }
        }
    }
}

/// <summary>A log of runs that also counts them.</summary>
internal sealed class MeasuredPassLog(IPassLog log, BookMeter meter) : IPassLog
{
    public Task BeginAsync(PassKind pass, Instant startedAt, CancellationToken ct) => log.BeginAsync(pass, startedAt, ct);

    public Task EndAsync(EndedPass run)
    {
        meter.Count(run);
        return log.EndAsync(run);
    }
}
