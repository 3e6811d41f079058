using System.Globalization;
using System.Text;

namespace Dunning.Books;

/// <summary>Something wrong in a book's folder: where it stands, what it is, and what to do about it.</summary>
/// <param name="File">Name of the file.</param>
/// <param name="Line">Its line, from 1; null where a file has none (it is missing, say).</param>
/// <param name="Field">The field, such as <c>subscriptions[0].plan</c>; null where it is the line as a whole.</param>
/// <param name="Value">What was given, shortened and, for addresses and tokens, masked; null where nothing was.</param>
/// <param name="Problem">What is wrong with it.</param>
/// <param name="Fix">What to do.</param>
public sealed record BookFault(string File, int? Line, string? Field, string? Value, string Problem, string Fix)
{
    /// <summary>One line for an operator: <c>accounts.jsonl:12: subscriptions[0].plan: "pro" is not in plans.json. Fix: …</c></summary>
    public override string ToString()
    {
        var text = new StringBuilder(File);
        if (Line is { } line)
        {
            text.Append(CultureInfo.InvariantCulture, $":{line}");
        }
        text.Append(": ");
        if (Field is not null)
        {
            text.Append(Field).Append(": ");
        }
        if (Value is not null)
        {
            text.Append(Value).Append(' ');
        }
        return text.Append(Problem).Append(". Fix: ").Append(Fix).ToString();
    }
}

/// <summary>
/// The faults of a book. All are counted, the first are kept: a file of a million wrong lines must not fill the memory or the screen.
/// </summary>
public sealed class BookFaults(int limit)
{
    private readonly List<BookFault> _listed = [];

    /// <summary>How many are listed when nothing else is asked for.</summary>
    public const int DefaultLimit = 200;

    /// <summary>The first faults, in the order in which the files are read.</summary>
    public IReadOnlyList<BookFault> Listed => _listed;

    /// <summary>Number of all faults.</summary>
    public long Count { get; private set; }

    /// <summary>Whether there is none.</summary>
    public bool IsEmpty => Count == 0;

    /// <summary>The listed faults as text, one a line, and how many more there are.</summary>
    public IEnumerable<string> Describe()
    {
        foreach (var fault in _listed)
        {
            yield return fault.ToString();
        }
        if (Count > _listed.Count)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"and {Count - _listed.Count} more faults (of {Count})");
        }
    }

    internal void Add(BookFault fault)
    {
        Count++;
        if (_listed.Count < limit)
        {
            _listed.Add(fault);
        }
    }
}
