"""Files that describe functions: `dispatch.toml`, SAM and CloudFormation templates."""
