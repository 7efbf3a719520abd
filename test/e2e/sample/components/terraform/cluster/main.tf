variable "tenant" {}
variable "stage" {}
variable "size" {}
