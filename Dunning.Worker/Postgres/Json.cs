using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dunning.Events;
using Dunning.Model;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Postgres;

/// <summary>
/// What is stored as JSON: a mail's facts, an event's fields, a buyer. Written by hand: names are frozen, what is null is left out, and the
/// hot path has no reflection.
/// </summary>
internal static class Json
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? s_buffer;

    public static string Facts(MailFacts f) => Write(f, Facts);

    public static MailFacts Facts(string stored)
    {
        using var document = JsonDocument.Parse(stored);
        return Facts(document.RootElement);
    }

    private static void Facts(Utf8JsonWriter json, MailFacts f)
    {
        Text(json, "subscription", f.Subscription);
        Text(json, "plan", f.Plan);
        Text(json, "new_plan", f.NewPlan);
        Date(json, "period_start", f.PeriodStart);
        Date(json, "period_end", f.PeriodEnd);
        Number(json, "amount", f.Amount);
        Text(json, "currency", f.Currency);
        Number(json, "owed", f.Owed);
        if (f.ByCredit)
        {
            json.WriteBoolean("by_credit", true);
        }
        Number(json, "carried", f.Carried);
        if (f.Returned)
        {
            json.WriteBoolean("returned", true);
        }
        Text(json, "code", f.Code);
        Number(json, "step", f.Step);
        Date(json, "next_attempt_on", f.NextAttemptOn);
        Date(json, "suspends_on", f.SuspendsOn);
        Date(json, "purge_on", f.PurgeOn);
        Date(json, "date", f.Date);
        Moment(json, "until", f.Until);
        Text(json, "card_brand", f.CardBrand);
        Text(json, "card_last4", f.CardLast4);
        Date(json, "card_expires", f.CardExpires?.OnDayOfMonth(1));
        if (f.Items.IsEmpty)
        {
            return;
        }
        json.WriteStartArray("items");
        foreach (var item in f.Items)
        {
            json.WriteStartObject();
            json.WriteString("template", item.Template);
            Moment(json, "decided_at", item.DecidedAt);
            json.WriteStartObject("facts");
            Facts(json, item.Facts);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static MailFacts Facts(JsonElement json) => new()
    {
        Subscription = Text(json, "subscription"),
        Plan = Text(json, "plan"),
        NewPlan = Text(json, "new_plan"),
        PeriodStart = Date(json, "period_start"),
        PeriodEnd = Date(json, "period_end"),
        Amount = Number(json, "amount"),
        Currency = Text(json, "currency"),
        Owed = Number(json, "owed"),
        ByCredit = json.TryGetProperty("by_credit", out _),
        Carried = Number(json, "carried"),
        Returned = json.TryGetProperty("returned", out _),
        Code = Text(json, "code"),
        Step = (int?)Number(json, "step"),
        NextAttemptOn = Date(json, "next_attempt_on"),
        SuspendsOn = Date(json, "suspends_on"),
        PurgeOn = Date(json, "purge_on"),
        Date = Date(json, "date"),
        Until = Moment(json, "until"),
        CardBrand = Text(json, "card_brand"),
        CardLast4 = Text(json, "card_last4"),
        CardExpires = Date(json, "card_expires")?.ToYearMonth(),
        Items = !json.TryGetProperty("items", out var items) ? []
            : [.. items.EnumerateArray().Select(i => new DigestItem(Text(i, "template")!, Moment(i, "decided_at")!.Value, Facts(i.GetProperty("facts"))))],
    };

    /// <summary>An event without what stands in columns, with numbers of contacts, and without the token; null when nothing is left.</summary>
    public static string? Event(BookEvent e)
    {
        var json = Write(e, static (json, e) =>
        {
            Date(json, "period_end", e.PeriodEnd);
            Number(json, "subtotal", e.Subtotal);
            Number(json, "tax", e.Tax);
            Number(json, "credit_applied", e.CreditApplied);
            Number(json, "carried_in", e.CarriedIn);
            Number(json, "carried_out", e.CarriedOut);
            Number(json, "amount_due", e.AmountDue);
            Text(json, "currency", e.Currency);
            Number(json, "amount", e.Amount);
            if (e.Method is { } method)
            {
                json.WriteString("method", method.Id);
                json.WriteNumber("generation", method.Generation);
            }
            Text(json, "code", e.Code);
            Text(json, "reason", e.Reason);
            Number(json, "step", e.Step);
            Text(json, "kind", e.Kind);
            Text(json, "audience", e.Audience);
            Text(json, "plan", e.Plan);
            Date(json, "ends_on", e.EndsOn);
            Number(json, "days", e.Days);
            Date(json, "purge_on", e.PurgeOn);
            Moment(json, "until", e.Until);
            Text(json, "template", e.Template);
            if (e.To is { } to)
            {
                json.WriteStartArray("to");
                foreach (var recipient in to)
                {
                    json.WriteNumberValue(recipient.Contact);
                }
                json.WriteEndArray();
            }
            Text(json, "do", e.Do);
            Text(json, "by", e.By);
        });
        return json == "{}" ? null : json;
    }

    /// <summary>Puts the stored fields back on an event.</summary>
    public static BookEvent Event(BookEvent bare, string? stored, string? token, Func<int, Recipient> recipient)
    {
        if (stored is null)
        {
            return bare;
        }
        using var document = JsonDocument.Parse(stored);
        var json = document.RootElement;
        return bare with
        {
            PeriodEnd = Date(json, "period_end"),
            Subtotal = Number(json, "subtotal"),
            Tax = Number(json, "tax"),
            CreditApplied = Number(json, "credit_applied"),
            CarriedIn = Number(json, "carried_in"),
            CarriedOut = Number(json, "carried_out"),
            AmountDue = Number(json, "amount_due"),
            Currency = Text(json, "currency"),
            Amount = Number(json, "amount"),
            Method = Text(json, "method") is { } id ? new MethodRef(id, json.GetProperty("generation").GetInt32()) : null,
            Token = token,
            Code = Text(json, "code"),
            Reason = Text(json, "reason"),
            Step = (int?)Number(json, "step"),
            Kind = Text(json, "kind"),
            Audience = Text(json, "audience"),
            Plan = Text(json, "plan"),
            EndsOn = Date(json, "ends_on"),
            Days = (int?)Number(json, "days"),
            PurgeOn = Date(json, "purge_on"),
            Until = Moment(json, "until"),
            Template = Text(json, "template"),
            To = json.TryGetProperty("to", out var to) ? [.. to.EnumerateArray().Select(c => recipient(c.GetInt32()))] : null,
            Do = Text(json, "do"),
            By = Text(json, "by"),
        };
    }

    /// <summary>The buyer as an invoice keeps it.</summary>
    public static string Buyer(AccountFile file) => Write(file, static (json, a) =>
    {
        json.WriteString("name", a.Name);
        json.WriteString("legal_name", a.LegalName);
        json.WriteString("country", a.Country);
        json.WriteString("line1", a.Address.Line1);
        Text(json, "line2", a.Address.Line2);
        json.WriteString("postal_code", a.Address.PostalCode);
        json.WriteString("city", a.Address.City);
        Text(json, "vat_number", a.VatNumber);
    });

    private static string Write<T>(T value, Action<Utf8JsonWriter, T> body)
    {
        var buffer = s_buffer ??= new ArrayBufferWriter<byte>(512);
        buffer.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            body(json, value);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Text(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }

    private static void Number(Utf8JsonWriter json, string name, long? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
    }

    private static void Date(Utf8JsonWriter json, string name, LocalDate? value)
    {
        if (value is { } date)
        {
            json.WriteString(name, LocalDatePattern.Iso.Format(date));
        }
    }

    private static void Moment(Utf8JsonWriter json, string name, Instant? value)
    {
        if (value is { } instant)
        {
            json.WriteString(name, InstantPattern.ExtendedIso.Format(instant));
        }
    }

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static long? Number(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? value.GetInt64() : null;

    private static LocalDate? Date(JsonElement json, string name) =>
        Text(json, name) is { } text ? LocalDatePattern.Iso.Parse(text).Value : null;

    private static Instant? Moment(JsonElement json, string name) =>
        Text(json, name) is { } text ? InstantPattern.ExtendedIso.Parse(text).Value : null;
}
