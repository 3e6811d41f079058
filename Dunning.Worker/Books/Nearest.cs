namespace Dunning.Books;

/// <summary>Finds the name that someone probably meant.</summary>
internal static class Nearest
{
    /// <summary>The known name closest to the given one, or null when none is close.</summary>
    public static string? To(string given, IEnumerable<string> known)
    {
        string? best = null;
        if (given.Length > 100)
        {
            return null;
        }
        var bound = Math.Max(2, given.Length / 3) + 1;
        foreach (var name in known)
        {
            if (Math.Abs(name.Length - given.Length) < bound && Distance(given, name) is var distance && distance < bound)
            {
                (best, bound) = (name, distance);
            }
        }
        return best;
    }

    // Levenshtein over lower case, so that a wrong case counts as next to nothing.
    private static int Distance(string left, string right)
    {
        Span<int> row = stackalloc int[right.Length + 1];
        for (var j = 0; j <= right.Length; j++)
        {
            row[j] = j;
        }
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var cost = char.ToLowerInvariant(left[i - 1]) == char.ToLowerInvariant(right[j - 1]) ? 0 : 1;
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + cost));
            }
        }
        return row[right.Length];
    }
}
