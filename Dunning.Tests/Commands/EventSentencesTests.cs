using System.Reflection;
using Dunning.Commands;
using Dunning.Events;
using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Commands;

public sealed class EventSentencesTests
{
    private static readonly Instant At = Instant.FromUtc(2026, 3, 2, 8, 0);

    private static readonly AccountWords Words = new(
        DateTimeZoneProviders.Tzdb["Europe/Paris"],
        Currency.Of("EUR"),
        r => r.Id == "card" ? new PaymentMethod { Id = "card", Token = "sandbox_ok", Brand = "visa", Last4 = "4242" } : null,
        code => code == "solo" ? "Solo" : null);

    public static TheoryData<string> Types =>
        [.. typeof(EventTypes).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (string)f.GetValue(null)!)];

    [Theory]
    [MemberData(nameof(Types))]
    public void Of_EveryType_HasASentence(string type)
    {
        var bare = new EventSentences(Words).Of(new BookEvent(At, "acme", type));

        Assert.NotEqual(type, bare);
        Assert.NotEmpty(bare);
    }

    [Fact]
    public void Of_Charge_TellsTheCardAndNeverTheToken()
    {
        var e = new BookEvent(At, "acme", EventTypes.ChargeFailed)
        {
            Subscription = "acme-1",
            PeriodStart = new LocalDate(2026, 3, 2),
            Amount = 149900,
            Method = new MethodRef("card", 0),
            Token = "sandbox_ok",
            Code = "insufficient_funds",
        };

        Assert.Equal("1,499.00 EUR declined on visa 4242 (insufficient funds)", new EventSentences(Words).Of(e));
        Assert.Equal(
            "1,499.00 EUR charged on other",
            new EventSentences(Words).Of(e with { Type = EventTypes.ChargeSucceeded, Method = new MethodRef("other", 1) }));
    }

    [Fact]
    public void Of_Access_TellsTheInstantInTheAccountsZone() =>
        Assert.Equal(
            "temporary access granted until Fri 10 April 2026, 11:00",
            new EventSentences(Words).Of(new BookEvent(At, "acme", EventTypes.AccountAccessGranted) { Until = Instant.FromUtc(2026, 4, 10, 9, 0) }));
}
