using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Commands.Bench;

/// <summary>
/// How fast mails leave: the product's way, from a decided mail to the server's yes, beside the bare client of the same library, which sends one and
/// the same message again and again over as many connections. To a sink in this process, on the loopback, without TLS.
/// </summary>
internal sealed class MailsBench(WorkerSettings settings, TimeProvider time, ProgressLine progress)
{
    private static readonly Instant DecidedAt = Instant.FromUtc(2026, 3, 16, 9, 0);

    private readonly MailTexts _texts = MailTexts.Load();

    /// <summary>Runs both in turn, each round beginning with the other.</summary>
    /// <exception cref="InvalidOperationException">Not every message arrived.</exception>
    public async Task<MailsResult> RunAsync(int count, int connections, int runs, CancellationToken ct)
    {
        var result = new MailsResult(MachineFacts.Now(), BuildInfo.MailTransport, count, connections);
        // One of each that does not count: the runtime compiles what it runs often.
        for (var run = 0; run <= runs; run++)
        {
            foreach (var isProduct in run % 2 == 0 ? new[] { true, false } : [false, true])
            {
                progress.Show((double)run / (runs + 1), isProduct ? "product" : "bare client");
                await using var sink = new MailSink();
                var smtp = new SmtpOptions("127.0.0.1", sink.Port, SmtpSecurity.None, null, null, TimeSpan.FromSeconds(30)) { Connections = connections };
                var began = time.GetTimestamp();
                await (isProduct ? ProductAsync(smtp, count, ct) : BareAsync(smtp, count, ct));
                var rate = count / time.GetElapsedTime(began).TotalSeconds;
                if (sink.Taken != count)
                {
                    throw new InvalidOperationException(FormattableString.Invariant($"{sink.Taken} of {count} messages arrived"));
                }
                if (run > 0)
                {
                    (isProduct ? result.Product : result.Bare).Add(rate);
                }
            }
        }
        return result;
    }

    private async Task ProductAsync(SmtpOptions smtp, int count, CancellationToken ct)
    {
        var options = settings.Mail with { Transport = MailWay.Smtp, Smtp = smtp };
        var transport = MailTransports.Create(options);
        await using var _ = transport;
        await using var pace = new MailPace(0);
        var mailer = new Mailer(new MailComposer(_texts, options, "bench"), transport, time, pace, atOnce: Engine.AtOnce(smtp));
        await Parallel.ForEachAsync(Enumerable.Range(1, count), new ParallelOptions { MaxDegreeOfParallelism = settings.Limits.Concurrency, CancellationToken = ct },
            async (i, token) =>
            {
                var results = await mailer.DeliverAsync(AccountOf(i), MailOf(i), token);
                if (results is not [{ Verdict: DeliveryVerdict.Accepted }])
                {
                    throw new InvalidOperationException($"a message was not taken: {(results.IsEmpty ? "no result" : results[0].Detail)}");
                }
            });
    }

    private async Task BareAsync(SmtpOptions smtp, int count, CancellationToken ct)
    {
        var message = new MailComposer(_texts, settings.Mail, "bench").Compose(AccountOf(1), MailOf(1), MailOf(1).Recipients[0])!;
        var left = count;
        await Task.WhenAll(Enumerable.Range(0, smtp.Connections).Select(_ => Task.Run(
            () => MailTransports.SendBareAsync(smtp, message, () => Interlocked.Decrement(ref left) >= 0, ct), ct)));
    }

    private static AccountFile AccountOf(int i) => new()
    {
        Id = FormattableString.Invariant($"acc_{i}"),
        Name = FormattableString.Invariant($"Atelier {i}"),
        LegalName = FormattableString.Invariant($"Atelier {i} SARL"),
        Country = "FR",
        TimeZone = "Europe/Paris",
        Currency = Currency.Of("EUR"),
        Locale = "fr",
        Address = new Address("1 rue de la République", null, "69002", "Lyon"),
    };

    private static Model.Mail MailOf(int i) => new()
    {
        Number = 1,
        Template = MailTemplates.PaymentFailed,
        DecidedAt = DecidedAt,
        Facts = new MailFacts
        {
            Subscription = FormattableString.Invariant($"sub_{i}"), Plan = "team", PeriodStart = new LocalDate(2026, 3, 16), PeriodEnd = new LocalDate(2026, 4, 16),
            Amount = 1000 + i, Currency = "EUR", Code = "insufficient_funds", Step = 0, NextAttemptOn = new LocalDate(2026, 3, 18),
            SuspendsOn = new LocalDate(2026, 4, 14), CardBrand = "visa", CardLast4 = "4242",
        },
        Recipients =
        [
            new Recipient { Contact = 1, Email = FormattableString.Invariant($"owner@atelier{i}.example"), Name = "Zoë Mercier", Locale = i % 2 == 0 ? "fr" : "en" },
        ],
    };
}

/// <summary>What <c>bench mails</c> found.</summary>
internal sealed record MailsResult(MachineFacts Machine, string Library, int Count, int Connections)
{
    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true };

    /// <summary>Messages a second, each run.</summary>
    public List<double> Product { get; } = [];

    /// <summary>The same of the bare client.</summary>
    public List<double> Bare { get; } = [];

    /// <summary>The product's rate for the bare client's.</summary>
    public double Ratio => Measures.Median(Product) / Measures.Median(Bare);

    /// <summary>For scripts.</summary>
    public string ToJson() => JsonSerializer.Serialize(new
    {
        library = Library, count = Count, connections = Connections, machine = new { cores = Machine.Cores, runtime = Machine.Runtime, load = Machine.Load },
        product = Product, bare = Bare, ratio = Math.Round(Ratio, 3, MidpointRounding.AwayFromZero),
    }, Options);

    /// <summary>For people.</summary>
    public string ToText() => string.Join(Environment.NewLine,
    [
        Machine.ToString(),
        FormattableString.Invariant($"{Count:N0} mails over {Connections} connections, by {Library}, to a sink in this process"),
        "",
        FormattableString.Invariant($"{"mails a second",-20}{"median",10}   every run"),
        Line("product", Product),
        Line("bare client", Bare),
        "",
        FormattableString.Invariant($"{"product / bare",-20}{Ratio,10:F2}   wanted: at least 0.8"),
    ]);

    private static string Line(string name, List<double> rates) =>
        FormattableString.Invariant($"{name,-20}{Measures.Median(rates),10:N0}   ") + string.Join("  ", rates.Select(r => r.ToString("N0", CultureInfo.InvariantCulture)));
}
