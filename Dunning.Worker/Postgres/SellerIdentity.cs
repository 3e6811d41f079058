using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dunning.Model;

namespace Dunning.Postgres;

/// <summary>Who issues the invoices. It is frozen on each of them: one row in <c>seller</c> for every identity there has been.</summary>
/// <param name="Name">Trade name.</param>
/// <param name="LegalName">Name of the legal person.</param>
/// <param name="Country">Two letters.</param>
/// <param name="Address">Seat.</param>
/// <param name="VatNumber">VAT number, if it has one.</param>
/// <param name="Registration">Number in the register of companies, if it has one.</param>
/// <param name="TimeZone">IANA zone of issue dates and of the year of invoice numbers.</param>
/// <param name="InvoiceSeries">Series of invoice numbers.</param>
/// <param name="CreditNoteSeries">Series of credit note numbers: its own.</param>
public sealed record SellerIdentity(
    string Name,
    string LegalName,
    string Country,
    Address Address,
    string? VatNumber,
    string? Registration,
    string TimeZone,
    string InvoiceSeries,
    string CreditNoteSeries)
{
    /// <summary>Legal form, such as <c>SAS</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? LegalForm { get; init; }

    /// <summary>Share capital as it is to be told, such as <c>10 000 €</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ShareCapital { get; init; }

    /// <summary>The nine digits of a company in France.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Siren { get; init; }

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The identity as it is stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Options);

    /// <summary>Reads <see cref="ToJson"/> back.</summary>
    public static SellerIdentity FromJson(string json) =>
        JsonSerializer.Deserialize<SellerIdentity>(json, Options) ?? throw new FormatException("no seller in it");

    /// <summary>Names this identity in the database.</summary>
    [JsonIgnore]
    public string Fingerprint => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(ToJson())))[..16];
}
