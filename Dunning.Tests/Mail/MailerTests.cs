using System.Collections.Immutable;
using System.Text;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;
using Xunit;

namespace Dunning.Tests.Mail;

/// <summary>Who is tried, and what the pickup directory holds afterwards.</summary>
public sealed class MailerTests
{
    private static readonly Instant s_now = Samples.DecidedAt + Duration.FromHours(1);

    [Fact]
    public async Task Only_those_who_are_pending_and_whose_time_has_come_are_tried()
    {
        using var folder = new Samples.Folder();
        await using var transport = new PickupTransport(folder.Path);
        var mail = Samples.Mail(MailTemplates.Receipt, Samples.Rich,
            Samples.To("new@example.com", contact: 1),
            Samples.To("due@example.com", contact: 2) with { Tries = 1, NextTryAt = s_now },
            Samples.To("later@example.com", contact: 3) with { Tries = 1, NextTryAt = s_now + Duration.FromSeconds(1) },
            Samples.To("done@example.com", contact: 4) with { State = DeliveryState.Accepted },
            Samples.To("dead@example.com", contact: 5) with { State = DeliveryState.Dead });
        var results = await new Mailer(Samples.Composer(), transport, new Samples.StillClock(s_now)).DeliverAsync(Samples.Account, mail, default);
        Assert.Equal(new DeliveryResult[] { new(1, DeliveryVerdict.Accepted, null), new(2, DeliveryVerdict.Accepted, null) }, results.AsEnumerable());
        Assert.Equal(2, Directory.GetFiles(folder.Path).Length);
    }

    [Fact]
    public async Task Everyone_gets_one_message_in_their_own_language()
    {
        using var folder = new Samples.Folder();
        await using var transport = new PickupTransport(folder.Path);
        var mail = Samples.Mail(MailTemplates.Receipt, Samples.Rich,
            Samples.To("ada@example.com", "Ada", "fr-FR", 1), Samples.To("bob@example.com", "Bob", "de", 2));
        await new Mailer(Samples.Composer(), transport, new Samples.StillClock(s_now)).DeliverAsync(Samples.Account, mail, default);
        var files = Directory.GetFiles(folder.Path).Select(File.ReadAllText).Order().ToList();
        Assert.Equal(2, files.Count);
        Assert.Contains(files, f => Has(f, "To: Ada <ada@example.com>") && Has(f, "Bonjour Ada,") && !Has(f, "bob@"));
        Assert.Contains(files, f => Has(f, "To: Bob <bob@example.com>") && Has(f, "Hello Bob,") && !Has(f, "ada@"));

        static bool Has(string file, string part) => file.Contains(part, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_resend_replaces_its_file_and_leaves_no_draft()
    {
        using var folder = new Samples.Folder();
        await using var transport = new PickupTransport(Path.Combine(folder.Path, "made", "when needed"));
        var message = Samples.Compose(MailTemplates.Receipt, "en", Samples.Rich);
        Assert.Equal(Delivery.Accepted, await transport.SendAsync(message, default));
        Assert.Equal(Delivery.Accepted, await transport.SendAsync(message with { Text = "again\n", Html = null }, default));
        var file = Assert.Single(Directory.GetFiles(Path.Combine(folder.Path, "made", "when needed")));
        Assert.Equal(message.Key + ".eml", Path.GetFileName(file));
        Assert.EndsWith("\r\n\r\nagain\r\n", Encoding.ASCII.GetString(await File.ReadAllBytesAsync(file)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_directory_that_can_not_be_written_defers()
    {
        using var folder = new Samples.Folder();
        var file = Path.Combine(folder.Path, "a file");
        await File.WriteAllTextAsync(file, "");
        await using var transport = new PickupTransport(file);
        var delivery = await transport.SendAsync(Samples.Compose(MailTemplates.Receipt, "en", Samples.Rich), default);
        Assert.Equal(DeliveryVerdict.Deferred, delivery.Verdict);
        Assert.DoesNotContain(folder.Path, delivery.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_leaves_the_rest_due()
    {
        using var stopping = new CancellationTokenSource();
        var transport = new StoppingTransport(stopping);
        var mail = Samples.Mail(MailTemplates.Receipt, Samples.Rich, Samples.To("a@example.com", contact: 1), Samples.To("b@example.com", contact: 2));
        var results = await new Mailer(Samples.Composer(), transport, new Samples.StillClock(s_now)).DeliverAsync(Samples.Account, mail, stopping.Token);
        Assert.Equal(new DeliveryResult[] { new(1, DeliveryVerdict.Accepted, null) }, results.AsEnumerable());
    }

    [Fact]
    public async Task Messages_leave_at_their_pace_and_a_turn_that_does_not_come_is_no_try()
    {
        var began = TimeProvider.System.GetTimestamp();
        await using var pace = new MailPace(1200); // 20 at once, then 20 a second
        using var folder = new Samples.Folder();
        await using var transport = new PickupTransport(folder.Path);
        var mailer = new Mailer(Samples.Composer(), transport, new Samples.StillClock(s_now), pace);
        var mail = Samples.Mail(MailTemplates.Receipt, Samples.Rich,
            [.. Enumerable.Range(1, 1000).Select(n => Samples.To($"c{n}@example.com", contact: n))]);
        using var end = new CancellationTokenSource(TimeSpan.FromSeconds(1.5));

        var results = await mailer.DeliverAsync(Samples.Account, mail, end.Token);

        Assert.All(results, r => Assert.Equal(DeliveryVerdict.Accepted, r.Verdict));
        // By the clock: a busy machine ends later than after its second and a half.
        Assert.InRange(results.Length, 1, Math.Min(999, 20 + (20 * (1 + (int)TimeProvider.System.GetElapsedTime(began).TotalSeconds))));
        Assert.Equal(results.Length, Directory.GetFiles(folder.Path).Length);
    }

    [Fact]
    public async Task The_sink_accepts_all_who_are_pending()
    {
        var mail = Samples.Mail(MailTemplates.Receipt, Samples.Rich,
            Samples.To("not an address", contact: 1), Samples.To("b@example.com", contact: 2) with { State = DeliveryState.Dropped });
        Assert.Equal(new DeliveryResult[] { new(1, DeliveryVerdict.Accepted, null) }, (await new SinkMailer().DeliverAsync(Samples.Account, mail, default)).AsEnumerable());
    }

    [Fact]
    public async Task A_mail_whose_documents_can_not_be_made_waits_and_a_stop_meanwhile_is_no_try()
    {
        using var folder = new Samples.Folder();
        await using var transport = new PickupTransport(folder.Path);
        var mail = Samples.Mail(MailTemplates.Receipt, Samples.Rich, Samples.To("a@example.com"));
        using var stopping = new CancellationTokenSource();

        Assert.Equal(new DeliveryResult[] { new(1, DeliveryVerdict.Deferred, "its documents could not be made: InvalidOperationException") },
            (await DeliverAsync(_ => throw new InvalidOperationException("owner@example.com"))).AsEnumerable());
        Assert.Empty(await DeliverAsync(ct =>
        {
            stopping.Cancel();
            ct.ThrowIfCancellationRequested();
        }));
        Assert.Empty(Directory.GetFiles(folder.Path));

        Task<ImmutableArray<DeliveryResult>> DeliverAsync(Action<CancellationToken> make) =>
            new Mailer(Samples.Composer(), transport, new Samples.StillClock(s_now), documents: new NoDocuments(make)).DeliverAsync(Samples.Account, mail, stopping.Token);
    }

    private sealed class NoDocuments(Action<CancellationToken> make) : Dunning.Documents.IDocuments
    {
        public Task<ImmutableArray<MailAttachment>> ForMailAsync(AccountFile account, Model.Mail mail, string language, CancellationToken ct)
        {
            make(ct);
            return Task.FromResult(ImmutableArray<MailAttachment>.Empty);
        }
    }

    // Accepts, and the service is stopped meanwhile.
    private sealed class StoppingTransport(CancellationTokenSource stopping) : IMailTransport
    {
        public async Task<Delivery> SendAsync(OutgoingMessage message, CancellationToken ct)
        {
            await stopping.CancelAsync();
            return Delivery.Accepted;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
