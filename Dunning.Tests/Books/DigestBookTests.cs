using Dunning.Events;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Tests.Books;

/// <summary>A book whose contacts want digests, from its files to its events, on both engines.</summary>
public sealed class DigestBookTests : IDisposable
{
    private const string Actions =
        """
        {"at":"2026-03-02T09:00:00Z","account":"a-1","do":"credit","amount":700}
        {"at":"2026-03-04T09:00:00Z","account":"b-2","do":"add_contact","email":"max@brume.example","role":"billing","name":"Max","locale":"en","frequency":"daily"}
        {"at":"2026-03-20T09:00:00Z","account":"b-2","do":"set_contact","email":"konto@brume.example","frequency":"daily","locale":"en"}
        {"at":"2026-04-14T09:00:00Z","account":"b-2","do":"set_contact","email":"konto@brume.example","frequency":"at_once"}
        {"at":"2026-05-12T11:00:00Z","account":"b-2","do":"remove_contact","email":"max@brume.example"}
        {"at":"2026-05-13T09:00:00Z","account":"b-2","do":"set_contact","email":"max@brume.example","frequency":"weekly"}

        """;

    private readonly BookFolder _folder = new();

    public DigestBookTests()
    {
        _folder.Replace("accounts.jsonl", "\"role\":\"owner\"}],\"payment_methods\":[]", "\"role\":\"owner\",\"frequency\":\"weekly\"}],\"payment_methods\":[{\"id\":\"c\",\"token\":\"sandbox_decline_do_not_honor_x2\",\"exp\":\"2029-06\",\"default\":true}]");
        _folder.Replace("accounts.jsonl", "\"locale\":\"fr-CA\"", "\"locale\":\"fr-CA\",\"frequency\":\"weekly\"");
        _folder.Write("actions.jsonl", Actions);
    }

    public void Dispose() => _folder.Dispose();

    // Would miss: what one store forgets of a contact's frequency, of a held mail, of what a digest tells, or of when it is due.
    [Fact]
    public async Task Memory_and_postgres_give_the_same_events_and_the_same_end()
    {
        var memory = await BookRuns.InMemoryAsync(_folder.Path);
        var postgres = await BookRuns.OnPostgresAsync(_folder.Path);

        Assert.Equal("", EndState.Difference(memory.Lines, postgres.Lines));
        Assert.Equal(memory.Lines, postgres.Lines);
        Assert.Equal("", EndState.Difference(memory.End, postgres.End));

        var sent = memory.Events.Where(e => e.Type == EventTypes.EmailSent).ToList();
        var digests = sent.Where(e => e.Template == MailTemplates.Digest).Select(e => (e.At, To: Assert.Single(e.To!.Value).Email)).ToList();
        Assert.Equal(["claire@atelier.example", "konto@brume.example", "max@brume.example"], digests.Select(d => d.To).Distinct().Order(StringComparer.Ordinal));
        // Mondays, 9:00 in Paris, for one who gets weekly digests alone.
        Assert.All(digests.Where(d => d.To == "claire@atelier.example"),
            d => Assert.Equal((IsoDayOfWeek.Monday, new LocalTime(9, 0)), (d.At.InZone(DateTimeZoneProviders.Tzdb["Europe/Paris"]).DayOfWeek, d.At.InZone(DateTimeZoneProviders.Tzdb["Europe/Paris"]).TimeOfDay)));
        Assert.DoesNotContain(sent, e => MailTemplates.NotUrgent.Contains(e.Template!) && e.To!.Value.Any(r => r.Email == "claire@atelier.example"));
        Assert.Contains(sent, e => e.Template == MailTemplates.PaymentFailed && e.To!.Value.Any(r => r.Email == "claire@atelier.example"));
        // Dropped with the contact, and no digest to it afterwards.
        Assert.Contains(memory.Events, e => e.Type == EventTypes.EmailDropped && e.Template == MailTemplates.Receipt && e.To!.Value.Single().Email == "max@brume.example");
        Assert.DoesNotContain(digests, d => d.To == "max@brume.example" && d.At > Instant.FromUtc(2026, 5, 12, 11, 0));
        Assert.Contains(memory.Events, e => e is { Type: EventTypes.ActionRejected, Do: ActionNames.SetContact });
    }
}
