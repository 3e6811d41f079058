namespace Dunning.Books;

/// <summary>Adds the faults of one file, or of one line of it, with where they stand.</summary>
internal sealed class FaultScope(BookFaults faults, string file, Func<long, int>? lineOf = null)
{
    /// <summary>The line that is being read, where a line is the unit.</summary>
    public int? Line { get; set; }

    public string File => file;

    /// <summary>Number of faults in the whole book so far: unchanged across a check means that it found nothing.</summary>
    public long Count => faults.Count;

    public void Add(string? field, string? given, string problem, string fix, long offset = 0) =>
        faults.Add(new BookFault(file, lineOf?.Invoke(offset) ?? Line, field, given, problem, fix));

    /// <summary>A fault of the file as a whole.</summary>
    public void AddFile(string problem, string fix) => faults.Add(new BookFault(file, null, null, null, problem, fix));

    /// <summary>A value of the wrong kind.</summary>
    public void AddKind(string field, JsonValue value, string expected, string fix) =>
        Add(field, Given.Value(value), $"must be {expected}", fix, value.Offset);
}
