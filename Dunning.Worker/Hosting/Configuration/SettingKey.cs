using System.Collections.Immutable;
using System.Globalization;

namespace Dunning.Hosting.Configuration;

/// <summary>What a setting's value is.</summary>
public enum SettingKind
{
    /// <summary>Text of a shape that the setting's own text tells.</summary>
    Text,

    /// <summary>A whole number within bounds.</summary>
    Number,

    /// <summary>true or false.</summary>
    Flag,

    /// <summary>One of some words.</summary>
    Choice,

    /// <summary>A file of this machine.</summary>
    File,

    /// <summary>A folder of this machine.</summary>
    Folder,
}

/// <summary>
/// One key of the configuration, as an operator must know it. Every key that the program reads is in <see cref="SettingKeys.All"/>: what is not in
/// there can't be set, as unknown keys are refused.
/// </summary>
/// <param name="Name">
/// The key, such as <c>Mail:Smtp:Port</c>. A part in braces stands for many: <c>{N}</c> a number, <c>{PASS}</c> a pass, anything else any text.
/// </param>
/// <param name="Kind">What its value is.</param>
/// <param name="Default">What holds without it, as it would be written; null: nothing.</param>
/// <param name="Text">What it does, in a line or two of Markdown.</param>
public sealed record SettingKey(string Name, SettingKind Kind, string? Default, string Text)
{
    /// <summary>The least number allowed.</summary>
    public int? Min { get; init; }

    /// <summary>The greatest number allowed.</summary>
    public int? Max { get; init; }

    /// <summary>The words allowed.</summary>
    public ImmutableArray<string> Choices { get; init; } = [];

    /// <summary>A value that is allowed, where the default is none.</summary>
    public string? Example { get; init; }

    /// <summary>Its value is never shown. It may also stand in a file: see <see cref="HasFile"/>.</summary>
    public bool IsSecret { get; init; }

    /// <summary>
    /// The key with <c>File</c> at its end names a file with the value. It is read when the settings are, unless that key is one of its own in
    /// <see cref="SettingKeys.All"/>: then its reader reads it whenever it needs it.
    /// </summary>
    public bool HasFile => IsSecret;

    /// <summary>A running service takes a new value when it is told to reload.</summary>
    public bool IsReloadable { get; init; }

    /// <summary>The section that it stands in: the name's first part.</summary>
    public string Section => Name[..Name.IndexOf(':', StringComparison.Ordinal)];

    /// <summary>What is allowed, in words.</summary>
    public string Allowed => Kind switch
    {
        SettingKind.Number => string.Create(CultureInfo.InvariantCulture, $"{Min} to {Max}"),
        SettingKind.Flag => "true, false",
        SettingKind.Choice => string.Join(", ", Choices),
        SettingKind.File => "a file",
        SettingKind.Folder => "a folder",
        SettingKind.Text => IsSecret ? "a secret" : "text",
    };

    /// <summary>A value to write: the example, else the default, else a word or the least number.</summary>
    public string? Sample => Example ?? Default ?? Kind switch
    {
        SettingKind.Flag => "true",
        SettingKind.Choice => Choices[0],
        SettingKind.Number => Min?.ToString(CultureInfo.InvariantCulture),
        SettingKind.Text or SettingKind.File or SettingKind.Folder => null,
    };

    /// <summary>A whole number.</summary>
    public static SettingKey Number(string name, int? standard, int min, int max, string text) =>
        new(name, SettingKind.Number, standard?.ToString(CultureInfo.InvariantCulture), text) { Min = min, Max = max };

    /// <summary>true or false.</summary>
    public static SettingKey Flag(string name, bool? standard, string text) =>
        new(name, SettingKind.Flag, standard switch { true => "true", false => "false", null => null }, text);

    /// <summary>One of some words, the first of which is the default.</summary>
    public static SettingKey OneOf(string name, string text, params string[] choices) =>
        new(name, SettingKind.Choice, choices[0], text) { Choices = [.. choices] };

    /// <summary>Text with a default.</summary>
    public static SettingKey Of(string name, string standard, string text) => new(name, SettingKind.Text, standard, text);

    /// <summary>Text without a default.</summary>
    public static SettingKey Optional(string name, string example, string text) => new(name, SettingKind.Text, null, text) { Example = example };

    /// <summary>A secret.</summary>
    public static SettingKey Secret(string name, string example, string text) =>
        new(name, SettingKind.Text, null, text) { Example = example, IsSecret = true };

    /// <summary>A file without a default.</summary>
    public static SettingKey InFile(string name, string example, string text) => new(name, SettingKind.File, null, text) { Example = example };

    /// <summary>A folder without a default.</summary>
    public static SettingKey InFolder(string name, string example, string text) => new(name, SettingKind.Folder, null, text) { Example = example };

    /// <summary>Whether a key as it is given is this one.</summary>
    public bool Matches(string key)
    {
        if (!Name.Contains('{', StringComparison.Ordinal))
        {
            return Name.Equals(key, StringComparison.OrdinalIgnoreCase);
        }
        var (own, given) = (Name.Split(':'), key.Split(':'));
        return own.Length == given.Length && own.Zip(given).All(p => p.First switch
        {
            "{N}" => p.Second.Length > 0 && p.Second.All(char.IsAsciiDigit),
            "{PASS}" => JobSettings.Passes.Any(pass => pass.ToString().Equals(p.Second, StringComparison.OrdinalIgnoreCase)),
            ['{', ..] => p.Second.Length > 0,
            _ => p.First.Equals(p.Second, StringComparison.OrdinalIgnoreCase),
        });
    }
}
