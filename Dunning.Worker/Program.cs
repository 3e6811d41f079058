using Dunning.Hosting;

if (args is ["--version"])
    Console.WriteLine(BuildInfo.Description);

return 0;
