namespace Dunning.Commands;

/// <summary>Colours for a terminal; plain text where there is none, or where <c>NO_COLOR</c> asks for it.</summary>
internal sealed class Paint(bool isOn)
{
    /// <summary>Whether it colours.</summary>
    public bool IsOn => isOn;

    /// <summary>For what is written to standard output.</summary>
    public static Paint For(TextWriter output) => new(
        IsTerminal(output)
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") != "dumb");

    /// <summary>Whether a writer is a terminal's.</summary>
    public static bool IsTerminal(TextWriter output) => ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;

    public string Bold(string text) => In("1", text);

    public string Dim(string text) => In("2", text);

    public string Red(string text) => In("31", text);

    public string Green(string text) => In("32", text);

    public string Yellow(string text) => In("33", text);

    public string Magenta(string text) => In("35", text);

    public string Cyan(string text) => In("36", text);

    private string In(string code, string text) => isOn ? $"\u001b[{code}m{text}\u001b[0m" : text;
}
