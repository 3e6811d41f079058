using System.Globalization;
using Dunning.Model;
using Dunning.Time;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary>
/// How one account's dates, amounts, methods and plans are written for operators: in English, in the account's zone and currency. Tokens are never
/// written: a method is its brand and last digits, else its id.
/// </summary>
internal sealed class AccountWords
{
    private static readonly LocalDatePattern DatePattern = LocalDatePattern.CreateWithInvariantCulture("d MMMM uuuu");
    private static readonly LocalDatePattern DayPattern = LocalDatePattern.CreateWithInvariantCulture("dddd d MMMM uuuu");
    private static readonly LocalDateTimePattern TimePattern = LocalDateTimePattern.CreateWithInvariantCulture("ddd d MMMM uuuu, HH:mm");
    private static readonly LocalTimePattern ClockPattern = LocalTimePattern.CreateWithInvariantCulture("HH:mm");

    private readonly Currency _currency;
    private readonly Func<MethodRef, PaymentMethod?> _method;
    private readonly Func<string, string?> _plan;

    public AccountWords(DateTimeZone zone, Currency currency, Func<MethodRef, PaymentMethod?> method, Func<string, string?> plan)
    {
        (Zone, _currency, _method, _plan) = (zone, currency, method, plan);
    }

    public AccountWords(AccountFile file, Catalog catalog, ZoneData zones)
        : this(zones[file.TimeZone], file.Currency, r => file.Methods.FirstOrDefault(m => m.Ref == r),
            code => catalog.Plans.GetValueOrDefault(code)?.NameIn("en"))
    {
    }

    /// <summary>The account's zone.</summary>
    public DateTimeZone Zone { get; }

    /// <summary>Such as <c>2 March 2026</c>.</summary>
    public static string Date(LocalDate date) => DatePattern.Format(date);

    /// <summary>Such as <c>Monday 2 March 2026</c>.</summary>
    public static string Day(LocalDate date) => DayPattern.Format(date);

    /// <summary>From the first to the last day of a period whose end is exclusive.</summary>
    public static string Days(LocalDate start, LocalDate end) =>
        end.PlusDays(-1) <= start ? Date(start) : $"{Date(start)} to {Date(end.PlusDays(-1))}";

    /// <summary>Such as <c>05/2029</c>.</summary>
    public static string Month(YearMonth month) => string.Create(CultureInfo.InvariantCulture, $"{month.Month:00}/{month.Year:0000}");

    /// <summary>A stored name as words: <c>insufficient_funds</c> is <c>insufficient funds</c>.</summary>
    public static string Plain(string name) => name.Replace('_', ' ');

    /// <summary>An audience of in-app notices.</summary>
    public static string Audience(string audience) => audience == Audiences.OwnerAdmins ? "owners and admins" : "all agents";

    /// <summary>Such as <c>1,499.00 EUR</c>.</summary>
    public static string Amount(Money money)
    {
        var whole = money.ToString().Split(' ')[0];
        return decimal.Parse(whole, CultureInfo.InvariantCulture)
            .ToString("N" + money.Currency.Digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) + " " + money.Currency.Code;
    }

    /// <summary>An amount in the account's currency.</summary>
    public string Amount(long? minor) => Amount(new Money(minor ?? 0, _currency));

    /// <summary>Such as <c>Mon 2 March 2026, 09:00</c>, in the account's zone.</summary>
    public string Time(Instant at) => TimePattern.Format(at.InZone(Zone).LocalDateTime);

    /// <summary>Such as <c>09:00</c>, in the account's zone.</summary>
    public string Clock(Instant at) => ClockPattern.Format(at.InZone(Zone).TimeOfDay);

    /// <summary>The account's local date.</summary>
    public LocalDate DateOf(Instant at) => LocalClock.LocalDateOf(at, Zone);

    /// <summary>A method: its brand and last digits, else its id.</summary>
    public string Method(MethodRef method) => _method(method) is { } known ? Method(known) : method.Id;

    /// <summary>A method: its brand and last digits, else its id.</summary>
    public static string Method(PaymentMethod method) => (method.Brand, method.Last4) switch
    {
        ({ } brand, { } last4) => $"{brand} {last4}",
        (null, { } last4) => $"{method.Id} ({last4})",
        _ => method.Id,
    };

    /// <summary>A plan's name, else its code.</summary>
    public string Plan(string code) => _plan(code) is { } name ? $"{name} ({code})" : code;
}
