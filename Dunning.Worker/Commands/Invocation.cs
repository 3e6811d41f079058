using System.Reflection;

namespace Dunning.Commands;

/// <summary>How this program is started again, as it was started: told to people who are to type it.</summary>
internal static class Invocation
{
    private const string Project = "Dunning.Worker";

    /// <summary>The command line for some arguments.</summary>
    public static string Of(string arguments)
    {
        var program = Environment.ProcessPath ?? "dunning";
        if (ProjectFolder() is not { } folder)
        {
            // A test host or the dotnet command itself is not the program's name.
            return $"{(Path.GetFileNameWithoutExtension(program) == Project ? program : "dunning")} {arguments}";
        }
        var relative = Path.GetRelativePath(Directory.GetCurrentDirectory(), folder);
        var shown = relative.StartsWith("..", StringComparison.Ordinal) ? folder : relative;
        var configuration = typeof(Invocation).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()?.Configuration;
        return $"dotnet run --project {shown}{(configuration is null or "Debug" ? "" : $" -c {configuration}")} -- {arguments}";
    }

    // Built in its project's folder, it was started by 'dotnet run' as the README says.
    private static string? ProjectFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Project + ".csproj")))
            {
                return folder.FullName;
            }
        }
        return null;
    }
}
