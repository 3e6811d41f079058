using System.Globalization;

namespace Dunning.Hosting;

/// <summary>Reads whole numbers out of settings.</summary>
internal static class WholeNumber
{
    /// <summary>The number, or, where there is none, the standard one; one that is no number or out of bounds is a fault.</summary>
    public static int Read(string? given, string key, int standard, int min, int max, ICollection<string> faults)
    {
        if (given is null)
        {
            return standard;
        }
        if (int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max)
        {
            return value;
        }
        faults.Add(FormattableString.Invariant($"{key} is '{given}', but must be a whole number from {min} to {max}, such as {standard}"));
        return standard;
    }
}
