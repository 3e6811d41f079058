using System.Text;
using Dunning.Books;
using Dunning.Gateways.Sandbox;
using NodaTime;

namespace Dunning.Tests.Books;

/// <summary>A small book without fault in a folder of its own, to be spoilt by a test.</summary>
internal sealed class BookFolder : IDisposable
{
    public static readonly Instant Now = Instant.FromUtc(2026, 3, 1, 0, 0);

    public const string Book =
        """
        {
         "from": "2026-03-01T00:00:00Z",
         "to": "2026-06-30T00:00:00Z",
         "tick_minutes": 60,
         "outages": [["2026-04-01T00:00:00Z", "2026-04-02T00:00:00Z"]],
         "settings": {"Dunning:ChargeAt": "09:00"}
        }
        """;

    public const string Plans =
        """
        [
         {"code": "team", "name": {"fr": "Équipe", "en": "Team"}, "interval": "month", "interval_count": 1, "prices": {"EUR": 4999, "JPY": 7900}},
         {"code": "weekly", "name": {"en": "Weekly"}, "interval": "week", "interval_count": 2, "prices": {"EUR": 999}}
        ]
        """;

    public const string Tax = "country,rate_bp,eu\nFR,2000,1\nDE,1900,1\nJP,1000,0\n";

    public const string Account1 =
        """{"id":"a-1","name":"Atelier","legal_name":"Atelier","country":"FR","time_zone":"Europe/Paris","currency":"EUR","locale":"fr","address":{"line1":"1 rue","postal_code":"69002","city":"Lyon"},"contacts":[{"email":"claire@atelier.example","name":"Claire","role":"owner"}],"payment_methods":[],"subscriptions":[{"id":"a-1-s1","plan":"team","quantity":1,"anchor":"2025-03-15","renews_on":"2026-03-15"}]}""";

    public const string Account2 =
        """{"id":"b-2","name":"Brume","legal_name":"Brume GmbH","country":"DE","time_zone":"Europe/Berlin","currency":"EUR","locale":"de","address":{"line1":"1 Weg","line2":"Hof","postal_code":"10115","city":"Berlin"},"vat_number":"DE1","credit":500,"legal_hold":false,"gateway_customer":"cus_1","contacts":[{"email":"eva@brume.example","name":"Eva","role":"owner"},{"email":"konto@brume.example","name":"","role":"billing","locale":"fr-CA"}],"payment_methods":[{"id":"pm-1","token":"sandbox_ok","exp":"2029-06","default":true,"brand":"visa","last4":"4242"},{"id":"pm-2","token":"sandbox_sca","exp":"2030-01","backup":true}],"subscriptions":[{"id":"b-2-s1","plan":"team","quantity":7,"anchor":"2025-01-31","renews_on":"2026-03-31","auto_renew":true,"cancel_at_period_end":false},{"id":"b-2-s2","plan":"weekly","quantity":3,"anchor":"2026-03-03","renews_on":"2026-03-17"}]}""";

    public const string Accounts = Account1 + "\n" + Account2 + "\n";

    public const string Actions =
        """
        {"at":"2026-03-02T09:00:00Z","account":"a-1","do":"credit","amount":0}
        {"at":"2026-03-03T09:00:00Z","account":"b-2","do":"update_payment_method","token":"sandbox_decline_do_not_honor","exp":"2029-07"}
        {"at":"2026-03-04T09:00:00Z","account":"b-2","do":"add_contact","email":"max@brume.example","role":"admin","name":"Max"}
        {"at":"2026-03-05T09:00:00Z","account":"b-2","do":"set_auto_renew","subscription":"b-2-s1","value":true}
        {"at":"2026-03-06T09:00:00Z","account":"b-2","do":"grant_access","days":-3}
        {"at":"2026-03-07T09:00:00Z","account":"b-2","do":"change_plan","subscription":"no-such","plan":"no-such"}

        """;

    public BookFolder()
    {
        Path = Directory.CreateTempSubdirectory("dunning-book-").FullName;
        Write("book.json", Book);
        Write("plans.json", Plans);
        Write("tax.csv", Tax);
        Write("accounts.jsonl", Accounts);
        Write("actions.jsonl", Actions);
    }

    public string Path { get; }

    public string In(string file) => System.IO.Path.Combine(Path, file);

    public void Write(string file, string text) => File.WriteAllBytes(In(file), Encoding.UTF8.GetBytes(text));

    /// <summary>Replaces text that is there exactly once.</summary>
    public void Replace(string file, string old, string @new)
    {
        var text = File.ReadAllText(In(file));
        Assert.Equal(2, text.Split(old).Length);
        Write(file, text.Replace(old, @new, StringComparison.Ordinal));
    }

    public BookRequest Import => new()
    {
        Folder = Path,
        Use = BookUse.Import,
        Now = Now,
        IsToken = SandboxToken.IsToken,
        TokenHelp = SandboxToken.Help,
    };

    public BookRequest Simulation => Import with { Use = BookUse.Simulation, Now = null };

    public Task<BookReading> ReadAsync() => BookReader.ReadAsync(Import);

    public async Task<BookFault> TheFaultAsync(BookRequest? request = null)
    {
        var reading = await BookReader.ReadAsync(request ?? Import);
        Assert.Null(reading.Book);
        return Assert.Single(reading.Faults.Listed);
    }

    public async Task<Book> TheBookAsync(BookRequest? request = null)
    {
        var reading = await BookReader.ReadAsync(request ?? Import);
        Assert.True(reading.Faults.IsEmpty, string.Join('\n', reading.Faults.Describe()));
        return reading.Book!;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
