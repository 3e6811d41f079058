using Dunning.Documents;

namespace Dunning.Tests.Documents;

/// <summary>A text that is missing or has lost its amount must stop the start, not stand on an invoice that is kept for ten years.</summary>
public sealed class DocumentTextsTests
{
    private static readonly string s_french = Text("fr");
    private static readonly string s_english = Text("en");

    [Fact]
    public void The_built_in_ones_are_whole() => Assert.Empty(Faults(s_french));

    [Theory]
    [InlineData("title.invoice = Facture\n", "", "fr.txt: title.invoice is missing")]
    [InlineData("À payer : {amount}.", "À payer.", "fr.txt: status.due has the slots '', but must have 'amount'")]
    [InlineData("Page {page} sur {pages}", "Page {page} sur {page}", "fr.txt: page has the slots 'page', but must have 'page pages'")]
    [InlineData("title.invoice = Facture", "title.invoice: Facture", "fr.txt: 'title.invoice: Facture' is no new 'key = value'")]
    [InlineData("decimal = ,", "decimal = ,\ndecimal = .", "fr.txt: 'decimal = .' is no new 'key = value'")]
    [InlineData("decimal = ,", "decimal = ,\nfooter = x", "fr.txt: footer is unknown")]
    [InlineData("country.FR = ", "country.France = ", "fr.txt: country.France is unknown")]
    public void A_fault_is_told_with_its_file_and_key(string text, string instead, string fault)
    {
        Assert.Contains(text, s_french, StringComparison.Ordinal);
        Assert.Contains(fault, Faults(s_french.Replace(text, instead, StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_language_of_the_mails_has_its_file()
    {
        var (texts, faults) = DocumentTexts.Read(new Dictionary<string, string> { ["en"] = s_english }, DocumentSamples.Mails);
        Assert.Null(texts);
        Assert.Equal("Documents/Texts/fr.txt is missing", Assert.Single(faults));
    }

    private static IEnumerable<string> Faults(string french) =>
        DocumentTexts.Read(new Dictionary<string, string> { ["en"] = s_english, ["fr"] = french }, DocumentSamples.Mails).Faults;

    private static string Text(string language)
    {
        using var reader = new StreamReader(typeof(DocumentTexts).Assembly.GetManifestResourceStream($"Documents/Texts/{language}.txt")!);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
