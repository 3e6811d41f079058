using System.Buffers;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dunning.Model;
using NodaTime.Text;

namespace Dunning.Books;

/// <summary>
/// Hash of what an account's line says, in one normal form: fixed order of fields, lists sorted by id or address, defaults as if left out.
/// It is stored with the account, so this form is frozen by a test; another form needs another <see cref="Form"/>.
/// </summary>
internal sealed class ContentHash
{
    private const string Form = "1:";

    private static readonly YearMonthPattern Month = YearMonthPattern.CreateWithInvariantCulture("uuuu'-'MM");

    // Escapes the least: what is escaped may not change with the runtime.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ArrayBufferWriter<byte> _buffer = new(1024);

    public string Of(AccountFile account)
    {
        _buffer.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(_buffer, Options))
        {
            json.WriteStartObject();
            json.WriteString("id", account.Id);
            json.WriteString("name", account.Name);
            json.WriteString("legal_name", account.LegalName);
            json.WriteString("country", account.Country);
            json.WriteString("time_zone", account.TimeZone);
            json.WriteString("currency", account.Currency.Code);
            json.WriteString("locale", account.Locale);
            json.WriteString("line1", account.Address.Line1);
            json.WriteString("line2", account.Address.Line2);
            json.WriteString("postal_code", account.Address.PostalCode);
            json.WriteString("city", account.Address.City);
            json.WriteString("vat_number", account.VatNumber);
            json.WriteNumber("credit", account.Credit);
            json.WriteBoolean("legal_hold", account.LegalHold);
            json.WriteString("gateway_customer", account.GatewayCustomer);
            json.WriteStartArray("contacts");
            foreach (var contact in account.Contacts.OrderBy(c => c.Email, StringComparer.Ordinal))
            {
                json.WriteStartArray();
                json.WriteStringValue(contact.Email);
                json.WriteStringValue(contact.Name);
                json.WriteNumberValue((int)contact.Role);
                json.WriteStringValue(contact.Locale);
                if (contact.Frequency != MailFrequency.AtOnce)
                {
                    json.WriteNumberValue((int)contact.Frequency); // the form had no frequency at first: the default must not tell itself
                }
                json.WriteEndArray();
            }
            json.WriteEndArray();
            json.WriteStartArray("payment_methods");
            foreach (var method in account.Methods.OrderBy(m => m.Id, StringComparer.Ordinal))
            {
                json.WriteStartArray();
                json.WriteStringValue(method.Id);
                json.WriteStringValue(method.Token);
                json.WriteStringValue(method.Expires is { } month ? Month.Format(month) : null);
                json.WriteBooleanValue(method.IsDefault);
                json.WriteBooleanValue(method.IsBackup);
                json.WriteStringValue(method.Brand);
                json.WriteStringValue(method.Last4);
                json.WriteEndArray();
            }
            json.WriteEndArray();
            json.WriteStartArray("subscriptions");
            foreach (var subscription in account.Subscriptions.OrderBy(s => s.Id, StringComparer.Ordinal))
            {
                json.WriteStartArray();
                json.WriteStringValue(subscription.Id);
                json.WriteStringValue(subscription.PlanCode);
                json.WriteNumberValue(subscription.Quantity);
                json.WriteStringValue(LocalDatePattern.Iso.Format(subscription.Anchor));
                json.WriteStringValue(LocalDatePattern.Iso.Format(subscription.RenewsOn));
                json.WriteBooleanValue(subscription.AutoRenew);
                json.WriteBooleanValue(subscription.CancelAtPeriodEnd);
                json.WriteEndArray();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Form + Convert.ToHexStringLower(SHA256.HashData(_buffer.WrittenSpan));
    }
}
