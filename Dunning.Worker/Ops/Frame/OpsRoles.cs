using System.Diagnostics.CodeAnalysis;

namespace Dunning.Ops.Frame;

/// <summary>Roles as they stand in the database, in commands and in settings.</summary>
internal static class OpsRoles
{
    /// <summary>All of them, the least first.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetValues<OpsRole>().Select(NameOf)];

    /// <summary>A role's text.</summary>
    public static string NameOf(OpsRole role) => role switch
    {
        OpsRole.Viewer => "viewer",
        OpsRole.Operator => "operator",
        OpsRole.Admin => "admin",
    };

    /// <summary>The role of a text.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out OpsRole? role)
    {
        role = Enum.GetValues<OpsRole>().Cast<OpsRole?>().FirstOrDefault(r => NameOf(r!.Value) == text);
        return role is not null;
    }
}
