using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Dunning.Model;

namespace Dunning.Books;

/// <summary>Tax rates of a book.</summary>
/// <param name="Rates">Rates without fault.</param>
/// <param name="Named">Countries that have a row, be it a wrong one: its fault is told once, not with every account.</param>
internal sealed record TaxFile(ImmutableSortedDictionary<string, TaxRate> Rates, ImmutableHashSet<string> Named)
{
    private const string Name = "tax.csv";
    private const string Header = "country,rate_bp,eu";
    private const string Row = "a row such as FR,2000,1";

    /// <summary>Reads the folder's own file, else the one in the folder above. Null when there is none that can be read.</summary>
    public static async Task<TaxFile?> ReadAsync(string folder, string? sellerCountry, BookFaults faults, CancellationToken ct)
    {
        var scope = new FaultScope(faults, Name);
        var own = Path.Combine(folder, Name);
        var above = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))) is { } parent
            ? Path.Combine(parent, Name) : own;
        if (!File.Exists(own) && !File.Exists(above))
        {
            scope.AddFile($"is missing: there is no {own} and no {above}", $"make one: {Header}, then a row for each country");
            return null;
        }
        if (await BookFiles.ReadWholeAsync(File.Exists(own) ? own : above, scope, ct) is not { } bytes)
        {
            return null;
        }

        var rates = ImmutableSortedDictionary.CreateBuilder<string, TaxRate>(StringComparer.Ordinal);
        var lines = Encoding.UTF8.GetString(bytes).Split('\n');
        var firstLine = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < lines.Length; i++)
        {
            scope.Line = i + 1;
            var line = lines[i].TrimEnd('\r');
            if (i == 0)
            {
                if (line != Header)
                {
                    scope.Add(null, Given.Text(line), "is not the header", $"the first line is {Header}");
                }
                continue;
            }
            if (line.Length > 0)
            {
                ReadRow(line, scope, rates, firstLine);
            }
        }
        var named = firstLine.Keys.ToImmutableHashSet(StringComparer.Ordinal);
        if (named.Count == 0)
        {
            scope.AddFile("has no rates", "a row for each country, such as FR,2000,1");
        }
        else if (sellerCountry is not null && !named.Contains(sellerCountry))
        {
            scope.Line = null;
            scope.Add("country", Given.Text(sellerCountry), "is the seller's country (Dunning:Seller:Country), but has no rate",
                $"add a row such as {sellerCountry},2000,1");
        }
        return new TaxFile(rates.ToImmutable(), named);
    }

    private static void ReadRow(
        string line, FaultScope scope, ImmutableSortedDictionary<string, TaxRate>.Builder rates, Dictionary<string, int> firstLine)
    {
        var cells = line.Split(',');
        if (cells.Length != 3)
        {
            scope.Add(null, Given.Text(line), string.Create(CultureInfo.InvariantCulture, $"has {cells.Length} columns, not 3"), Row);
            return;
        }
        var (country, rateText, euText) = (cells[0], cells[1], cells[2]);
        var isCountry = Shapes.IsCountry(country);
        if (!isCountry)
        {
            scope.Add("country", Given.Text(country), "is no country code", "two capital letters of ISO 3166, such as FR");
        }
        else if (!firstLine.TryAdd(country, scope.Line!.Value))
        {
            scope.Add("country", Given.Text(country),
                string.Create(CultureInfo.InvariantCulture, $"is there already, on line {firstLine[country]}"), "keep one of them");
            return;
        }
        var isRate = int.TryParse(rateText, NumberStyles.None, CultureInfo.InvariantCulture, out var rate) && rate <= 10_000;
        if (!isRate)
        {
            scope.Add("rate_bp", Given.Text(rateText), "is no rate", "basis points from 0 to 10000, such as 2000 for 20 %");
        }
        if (euText is not ("0" or "1"))
        {
            scope.Add("eu", Given.Text(euText), "is neither 0 nor 1", "1 for a member of the EU, else 0");
        }
        else if (isCountry && isRate)
        {
            rates.Add(country, new TaxRate(country, rate, euText == "1"));
        }
    }
}
