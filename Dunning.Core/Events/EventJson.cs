using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dunning.Model;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Events;

/// <summary>Writes events as the books hold them: one JSON object a line, recipients sorted, dates and instants in ISO form.</summary>
public static class EventJson
{
    // Only for files and logs, never for HTML: é stays é.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The event as one line of JSON, without its line break.</summary>
    public static string Write(BookEvent e)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteString("at", InstantPattern.General.Format(e.At));
            json.WriteString("account", e.Account);
            json.WriteString("type", e.Type);
            Text(json, "subscription", e.Subscription);
            Date(json, "period_start", e.PeriodStart);
            Date(json, "period_end", e.PeriodEnd);
            Number(json, "subtotal", e.Subtotal);
            Number(json, "tax", e.Tax);
            Number(json, "credit_applied", e.CreditApplied);
            Number(json, "carried_in", e.CarriedIn);
            Number(json, "carried_out", e.CarriedOut);
            Number(json, "amount_due", e.AmountDue);
            Text(json, "currency", e.Currency);
            Number(json, "amount", e.Amount);
            Text(json, "method", e.Token);
            Text(json, "code", e.Code);
            Text(json, "reason", e.Reason);
            Number(json, "step", e.Step);
            Text(json, "kind", e.Kind);
            Text(json, "audience", e.Audience);
            Text(json, "plan", e.Plan);
            Date(json, "ends_on", e.EndsOn);
            Number(json, "days", e.Days);
            Date(json, "purge_on", e.PurgeOn);
            if (e.Until is { } until)
            {
                json.WriteString("until", InstantPattern.General.Format(until));
            }
            Text(json, "template", e.Template);
            if (e.To is { } to)
            {
                json.WriteStartArray("to");
                foreach (var address in to.Select(r => r.Email).Order(StringComparer.Ordinal))
                {
                    json.WriteStringValue(address);
                }
                json.WriteEndArray();
            }
            Text(json, "do", e.Do);
            Text(json, "by", e.By);
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
}
