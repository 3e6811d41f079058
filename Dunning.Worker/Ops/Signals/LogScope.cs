using System.Collections;
using Dunning.Passes;
using Dunning.Postgres;

namespace Dunning.Ops.Signals;

/// <summary>
/// Where a line of the log comes from. The only kind of scope that is written: those of the web server hold addresses that are asked for, and a customer's
/// link is a key.
/// </summary>
internal sealed class LogScope(PassKind pass) : IEnumerable<KeyValuePair<string, object?>>
{
    /// <summary>The pass that runs.</summary>
    public string Pass { get; } = Texts.Pass[pass];

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator()
    {
        yield return new("Pass", Pass);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public override string ToString() => Pass;
}
